package io.kvmanager.paging;

import io.kvmanager.Ledger.Account;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Block ids of one slab: who may use which, and how many are promised.
 *
 * <pre>
 * free      stack of ids             top at freeCount - 1
 * holders   references per id        0 = free
 * account   Ledger.Account per id    FREE exactly when holders is 0
 * generation per id                  grows when the id is freed; tells a stale id from a live one
 *
 * capacity = free + used,  reserved <= free
 * </pre>
 *
 * <p>A step first reserves all it can need ({@link #tryReserve}), then allocates from that, so that it never fails half
 * way. The content of a block is not touched here. Not thread-safe: the backend's lock guards it.
 */
@SuppressWarnings("EnumOrdinal") // accounts are kept in flat arrays; the values never leave the process
final class BlockPool {
    private final int[] free;
    private final int[] holders;
    private final int[] generation;
    private final byte[] account;
    private final int[] perAccount = new int[Account.values().length];
    private int freeCount;
    private int reserved;
    private int peakUsed;

    BlockPool(int capacity) {
        free = new int[capacity];
        holders = new int[capacity];
        generation = new int[capacity];
        account = new byte[capacity];
        for (int i = 0; i < capacity; i++) {
            free[i] = capacity - 1 - i; // ids are handed out in ascending order at first
        }
        freeCount = capacity;
        perAccount[Account.FREE.ordinal()] = capacity;
    }

    int capacity() {
        return free.length;
    }

    int usedBlocks() {
        return free.length - freeCount;
    }

    int peakUsedBlocks() {
        return peakUsed;
    }

    /** Blocks that are neither used nor promised. */
    int availableBlocks() {
        return freeCount - reserved;
    }

    int reservedBlocks() {
        return reserved;
    }

    int blocksIn(Account kind) {
        return perAccount[kind.ordinal()];
    }

    /** Promises {@code blocks} free blocks to the caller; false, and nothing changed, if there are not as many. */
    boolean tryReserve(int blocks) {
        if (blocks < 0) {
            throw new IllegalArgumentException("reservation of " + blocks + " blocks");
        }
        if (blocks > availableBlocks()) {
            return false;
        }
        reserved += blocks;
        return true;
    }

    /** Gives back a promise that was not used. */
    void unreserve(int blocks) {
        if (blocks < 0 || blocks > reserved) {
            throw new IllegalStateException("unreserve of " + blocks + " blocks, " + reserved + " are reserved");
        }
        reserved -= blocks;
    }

    /** Takes one reserved block, with one reference. */
    int allocate(Account kind) {
        if (reserved == 0) {
            throw new IllegalStateException("no block is reserved");
        }
        reserved--;
        int id = free[--freeCount];
        holders[id] = 1;
        move(id, kind);
        peakUsed = Math.max(peakUsed, usedBlocks());
        return id;
    }

    void retain(int id) {
        requireHeld(id);
        holders[id]++;
    }

    /** Drops one reference; the last one frees the block. Returns whether it was freed. */
    boolean release(int id) {
        requireHeld(id);
        if (--holders[id] > 0) {
            return false;
        }
        generation[id]++;
        move(id, Account.FREE);
        free[freeCount++] = id;
        return true;
    }

    int references(int id) {
        return holders[id];
    }

    /** Grows each time the id is freed. */
    int generation(int id) {
        return generation[id];
    }

    /** Moves a held block to another account. */
    void transfer(int id, Account kind) {
        requireHeld(id);
        if (kind == Account.FREE) {
            throw new IllegalArgumentException("a held block cannot be booked as free");
        }
        move(id, kind);
    }

    private void move(int id, Account kind) {
        perAccount[account[id]]--;
        account[id] = (byte) kind.ordinal();
        perAccount[account[id]]++;
    }

    private void requireHeld(int id) {
        if (id < 0 || id >= holders.length || holders[id] == 0) {
            throw new IllegalStateException("block " + id + " is not held");
        }
    }

    /**
     * Compares references with a recount from the owners' side.
     *
     * @param counted references per id that live owners hold
     */
    List<String> audit(int[] counted) {
        List<String> found = new ArrayList<>();
        int[] inAccount = new int[perAccount.length];
        for (int id = 0; id < holders.length; id++) {
            inAccount[account[id]]++;
            if (holders[id] != counted[id]) {
                found.add("block " + id + " has " + holders[id] + " references, its owners hold " + counted[id]);
            }
            if ((holders[id] == 0) != (account[id] == Account.FREE.ordinal())) {
                found.add("block " + id + " with " + holders[id] + " references is booked as "
                        + Account.values()[account[id]]);
            }
        }
        if (!Arrays.equals(inAccount, perAccount)) {
            found.add("accounts hold " + Arrays.toString(perAccount) + ", recount " + Arrays.toString(inAccount));
        }
        boolean[] seen = new boolean[holders.length];
        for (int i = 0; i < freeCount; i++) {
            if (seen[free[i]] || holders[free[i]] != 0) {
                found.add("block " + free[i] + " is on the free list twice or while held");
            }
            seen[free[i]] = true;
        }
        if (freeCount != perAccount[Account.FREE.ordinal()]) {
            found.add("free list holds " + freeCount + ", account " + perAccount[Account.FREE.ordinal()]);
        }
        if (reserved < 0 || reserved > freeCount) {
            found.add(reserved + " reserved of " + freeCount + " free blocks");
        }
        return found;
    }
}
