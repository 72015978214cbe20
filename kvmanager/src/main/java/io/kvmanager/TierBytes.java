package io.kvmanager;

/**
 * An amount of memory in both tiers.
 *
 * @param device bytes of device memory
 * @param host bytes of host memory
 */
public record TierBytes(long device, long host) {
    /** Nothing in either tier. */
    public static final TierBytes NONE = new TierBytes(0, 0);

    public TierBytes {
        if (device < 0 || host < 0) {
            throw new IllegalArgumentException(device + " device bytes and " + host + " host bytes are not an amount");
        }
    }

    /** The amount in one tier. */
    public long in(Tier tier) {
        return tier == Tier.DEVICE ? device : host;
    }

    /** What this lacks of {@code requested}, tier by tier; nothing where it has more. */
    public TierBytes deficit(TierBytes requested) {
        return new TierBytes(Math.max(0, requested.device - device), Math.max(0, requested.host - host));
    }
}
