package io.kvmanager;

/**
 * What can go wrong in a cache that is used correctly. Misuse is {@link IllegalArgumentException} or
 * {@link IllegalStateException} instead.
 */
public abstract sealed class KvCacheException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private KvCacheException(String message) {
        super(message);
    }

    /** A tier's budget does not hold what was asked for. Nothing was changed. */
    public static final class OutOfMemory extends KvCacheException {
        private static final long serialVersionUID = 1L;
        private final TierBytes requested;
        private final TierBytes available;

        /**
         * Names every tier that is short, and the setting to raise.
         *
         * @param requested bytes asked for; more than available in one tier at least
         * @param available bytes that were free and not reserved
         * @param ledger the ledger at that moment
         */
        public OutOfMemory(TierBytes requested, TierBytes available, Ledger ledger) {
            super(message(requested, available) + ledger);
            this.requested = requested;
            this.available = available;
        }

        private static String message(TierBytes requested, TierBytes available) {
            StringBuilder text = new StringBuilder();
            for (Tier tier : Tier.values()) {
                if (requested.in(tier) > available.in(tier)) {
                    text.append(tier)
                            .append(" memory is short: ")
                            .append(requested.in(tier))
                            .append(" bytes requested, ")
                            .append(available.in(tier))
                            .append(" available; raise ")
                            .append(tier == Tier.DEVICE ? "deviceBytes; " : "hostBytes; ");
                }
            }
            return text.toString();
        }

        /** What was asked for. */
        public TierBytes requested() {
            return requested;
        }

        /** What was free and not reserved. */
        public TierBytes available() {
            return available;
        }

        /** What must be freed before the same request can succeed; 0 in a tier that is not short. */
        public TierBytes deficit() {
            return available.deficit(requested);
        }
    }

    /** The sequence limit fixed at open is reached. */
    public static final class TooManySequences extends KvCacheException {
        private static final long serialVersionUID = 1L;

        public TooManySequences(int limit) {
            super("all " + limit + " sequences are open; close one or raise maxSequences");
        }
    }

    /** A sequence would grow past the length fixed at open. */
    public static final class SequenceTooLong extends KvCacheException {
        private static final long serialVersionUID = 1L;

        public SequenceTooLong(int requestedTokens, int limitTokens) {
            super("a sequence of " + requestedTokens + " tokens exceeds maxSequenceTokens " + limitTokens);
        }
    }

    /** A named provider is missing or cannot run here; never replaced quietly. */
    public static final class ProviderUnusable extends KvCacheException {
        private static final long serialVersionUID = 1L;

        public ProviderUnusable(String message) {
            super(message);
        }
    }

    /** A device's driver refused a call or a kernel failed. If {@link #isFinal}, the device takes no further work. */
    public static sealed class DeviceFailure extends KvCacheException permits DeviceOutOfMemory {
        private static final long serialVersionUID = 1L;
        private final String function;
        private final String error;
        private final boolean isFinal;

        /**
         * @param function the driver's function, or the kernel
         * @param error the driver's name of the error
         * @param isFinal whether the device has failed for good
         * @param detail what else is known
         */
        public DeviceFailure(String function, String error, boolean isFinal, String detail) {
            super(function + " failed: " + error + (detail.isEmpty() ? "" : "; " + detail));
            this.function = function;
            this.error = error;
            this.isFinal = isFinal;
        }

        /** The driver's function, or the kernel. */
        public String function() {
            return function;
        }

        /** The driver's name of the error. */
        public String error() {
            return error;
        }

        /** Whether the device has failed for good: it can only be closed. */
        public boolean isFinal() {
            return isFinal;
        }
    }

    /** The machine does not have the memory that a device asked its driver for. */
    public static final class DeviceOutOfMemory extends DeviceFailure {
        private static final long serialVersionUID = 1L;
        private final Tier tier;
        private final long requestedBytes;
        private final long availableBytes;

        /**
         * @param function the driver's function
         * @param error the driver's name of the error
         * @param tier where memory is short
         * @param requestedBytes bytes asked for
         * @param availableBytes bytes that the driver says are free
         * @param held what the device already holds, for people
         */
        public DeviceOutOfMemory(
                String function, String error, Tier tier, long requestedBytes, long availableBytes, String held) {
            super(
                    function,
                    error,
                    false,
                    tier + " memory is short: " + requestedBytes + " bytes requested, " + availableBytes
                            + " available; " + held);
            this.tier = tier;
            this.requestedBytes = requestedBytes;
            this.availableBytes = availableBytes;
        }

        public Tier tier() {
            return tier;
        }

        public long requestedBytes() {
            return requestedBytes;
        }

        public long availableBytes() {
            return availableBytes;
        }
    }
}
