package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.ValueTier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Blocks of suspended sequences in host memory. What several sequences share is stored once and comes back as one
 * block, because a block and the home with the same bytes are linked:
 *
 * <pre>
 * homeOf  [blocks]   home with this block's bytes, or absent; holds for linkedAt, the block's generation when linked
 * blockOf [homes]    block with this home's bytes, or absent; a link holds if both sides say so
 * </pre>
 *
 * A link ends when its block is freed (its generation grows), when a step may write to it, or when its home is freed.
 */
final class HostCopies {
    private final BlockPool pool;
    private final ValueTier tier;
    private final int[] homeOf;
    private final int[] linkedAt;
    private final int[] blockOf;
    private final boolean[] suspended;
    private int suspendedHomes;

    HostCopies(BlockPool pool, ValueTier tier, int homes) {
        this.pool = pool;
        this.tier = tier;
        homeOf = new int[pool.capacity()];
        linkedAt = new int[pool.capacity()];
        blockOf = new int[homes];
        suspended = new boolean[homes];
        Arrays.fill(homeOf, ABSENT);
        Arrays.fill(blockOf, ABSENT);
    }

    /** Homes that hold what suspended sequences had in device memory. */
    int suspendedHomes() {
        return suspendedHomes;
    }

    /** The home with a held block's bytes, or absent. */
    int homeOf(int block) {
        int home = homeOf[block];
        return home != ABSENT && blockOf[home] == block && linkedAt[block] == pool.generation(block) ? home : ABSENT;
    }

    /** The held block with a home's bytes, or absent. */
    int blockOf(int home) {
        int block = blockOf[home];
        return block != ABSENT && homeOf(block) == home ? block : ABSENT;
    }

    /**
     * A home with a held block's bytes, with a reference for the caller; or absent.
     *
     * @param knownHome a home that is known to have them, or absent
     */
    int retainHome(int block, int knownHome) {
        int home = knownHome != ABSENT ? knownHome : homeOf(block);
        if (home != ABSENT) {
            tier.retain(home);
        }
        return home;
    }

    /** Stores a block in a home of the reservation. */
    int store(int block, Reservation reservation) {
        int home = reservation.store(block);
        suspended[home] = true;
        suspendedHomes++;
        return home;
    }

    /** A block with a home's bytes, with a reference for the caller; or absent. */
    int retainBlock(int home) {
        int block = blockOf(home);
        if (block != ABSENT) {
            pool.retain(block);
        }
        return block;
    }

    /** Loads a home into a block of the reservation. */
    int load(int home, Account account, Reservation reservation) {
        return reservation.load(home, account);
    }

    /** Drops a reference to a block. */
    void releaseBlock(int block) {
        pool.release(block);
    }

    /** Notes that a held block and a home in use have the same bytes. */
    void link(int block, int home) {
        homeOf[block] = home;
        linkedAt[block] = pool.generation(block);
        blockOf[home] = block;
    }

    /**
     * Notes that its only owner writes to a block, or may do so in the step that it plans. Nobody else can come to
     * share it from here on, so the copy that this would cost need not be reserved.
     */
    void unlink(int block) {
        homeOf[block] = ABSENT;
    }

    /** Drops a reference to a home. Every home is released here, so that no link outlives it. */
    void release(int home) {
        tier.release(home);
        if (tier.references(home) == 0) {
            blockOf[home] = ABSENT;
            if (suspended[home]) {
                suspended[home] = false;
                suspendedHomes--;
            }
        }
    }

    /** Everything that does not add up; empty when all is well. */
    List<String> audit() {
        List<String> found = new ArrayList<>();
        int counted = 0;
        for (int home = 0; home < blockOf.length; home++) {
            counted += suspended[home] ? 1 : 0;
            if (tier.references(home) == 0 && (suspended[home] || blockOf[home] != ABSENT)) {
                found.add("home " + home + " is free and still known as a copy");
            }
            int block = blockOf(home);
            if (block != ABSENT && pool.references(block) == 0) {
                found.add("home " + home + " is linked to block " + block + ", which is free");
            }
        }
        if (counted != suspendedHomes) {
            found.add(suspendedHomes + " homes are booked as suspended, recount " + counted);
        }
        return found;
    }
}
