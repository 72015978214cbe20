package io.kvmanager;

import java.util.ArrayList;
import java.util.List;

/**
 * A snapshot of where every byte of a cache is. Every block and every host byte is in exactly one account, so the
 * entries of a tier add up to its capacity.
 *
 * @param entries one per tier and account that holds anything
 * @param deviceCapacityBytes bytes of the device tier's slab
 * @param hostCapacityBytes bytes of the host tier's store
 */
public record Ledger(List<Entry> entries, long deviceCapacityBytes, long hostCapacityBytes) {

    /** What a block or its bytes are held for. */
    public enum Account {
        /** Held by nobody. */
        FREE,
        /** K or V that still has unwritten slots, or slots that pruning may yet move. */
        OPEN,
        /** K or V that is written and immutable, in use by a sequence. */
        SEALED,
        /** Per-block value means, for what a step does not fetch. */
        SUMMARY,
        /** Quantised copies of V, for what a step does not fetch. */
        SHADOW,
        /** Stored queries that vote on pruning in generation. */
        QUERY_WINDOW,
        /** Slots for fetched value tiles. */
        TILE_CACHE,
        /** Blocks of suspended sequences, in host memory. */
        SUSPENDED
    }

    /**
     * Bytes of one account.
     *
     * @param tier where
     * @param account what for
     * @param bytes bytes held
     */
    public record Entry(Tier tier, Account account, long bytes) {}

    public Ledger {
        entries = List.copyOf(entries);
    }

    /** Bytes in one account of one tier. */
    public long bytes(Tier tier, Account account) {
        long bytes = 0;
        for (Entry entry : entries) {
            if (entry.tier() == tier && entry.account() == account) {
                bytes += entry.bytes();
            }
        }
        return bytes;
    }

    /** Bytes of one tier in every account but {@link Account#FREE}. */
    public long usedBytes(Tier tier) {
        return capacityBytes(tier) - bytes(tier, Account.FREE);
    }

    public long capacityBytes(Tier tier) {
        return tier == Tier.DEVICE ? deviceCapacityBytes : hostCapacityBytes;
    }

    /** Every way in which this ledger does not add up; empty when it balances. */
    public List<String> imbalances() {
        List<String> found = new ArrayList<>();
        for (Tier tier : Tier.values()) {
            long sum = 0;
            for (Entry entry : entries) {
                if (entry.tier() == tier) {
                    sum += entry.bytes();
                    if (entry.bytes() < 0) {
                        found.add(entry + " is negative");
                    }
                }
            }
            if (sum != capacityBytes(tier)) {
                found.add(tier + " accounts add up to " + sum + " bytes of " + capacityBytes(tier));
            }
        }
        return found;
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("ledger");
        for (Entry entry : entries) {
            text.append(' ')
                    .append(entry.tier())
                    .append('.')
                    .append(entry.account())
                    .append('=')
                    .append(entry.bytes());
        }
        return text.toString();
    }
}
