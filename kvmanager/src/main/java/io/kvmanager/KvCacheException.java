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
        private final Tier tier;
        private final long requestedBytes;
        private final long availableBytes;

        /**
         * @param tier the tier that is short
         * @param requestedBytes bytes asked for
         * @param availableBytes bytes that were free and not reserved
         * @param setting the setting to raise
         * @param ledger the ledger at that moment
         */
        public OutOfMemory(Tier tier, long requestedBytes, long availableBytes, String setting, Ledger ledger) {
            super(tier + " memory is short: " + requestedBytes + " bytes requested, " + availableBytes
                    + " available; raise " + setting + "; " + ledger);
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

        /** Bytes that must be freed before the same request can succeed. */
        public long deficitBytes() {
            return requestedBytes - availableBytes;
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
}
