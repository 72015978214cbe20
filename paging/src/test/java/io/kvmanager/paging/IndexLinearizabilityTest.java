package io.kvmanager.paging;

import java.util.concurrent.locks.ReentrantLock;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.junit.jupiter.api.Test;

/**
 * The prefix index and its leases under one lock, as the backend has them: requests whose chains branch, leases that
 * others close, evictions between them.
 */
@Param(name = "chain", gen = IntGen.class, conf = "0:3")
@Param(name = "slot", gen = IntGen.class, conf = "0:1")
public class IndexLinearizabilityTest {
    private static final int ENTRIES = 5;
    private static final int[][] CHAINS = {{1}, {1, 2}, {1, 2, 3}, {1, 4}};

    private final PrefixIndex index = new PrefixIndex(ENTRIES, new RecencyOrder(ENTRIES), () -> 0);
    private final PrefixLease[] leases = new PrefixLease[2];
    private final ReentrantLock lock = new ReentrantLock();
    private int nextBlock;

    /** Takes a lease on a chain and registers what is missing; the hits, or -1 if the slot has a lease. */
    @Operation
    public int open(@Param(name = "chain") int chain, @Param(name = "slot") int slot) {
        lock.lock();
        try {
            if (leases[slot] != null) {
                return -1;
            }
            int[] ids = CHAINS[chain];
            long[] digests = Chains.of(ids);
            PrefixLease lease = index.lookup(digests, 0, ids.length, 0);
            for (int i = lease.hits(); i < ids.length && !index.isFull(); i++) {
                lease.register(digests, i * BlockIdentity.DIGEST_LONGS, nextBlock++);
            }
            leases[slot] = lease;
            return lease.hits();
        } finally {
            lock.unlock();
        }
    }

    /** Closes the lease of a slot; whether there was one. */
    @Operation
    public boolean close(@Param(name = "slot") int slot) {
        lock.lock();
        try {
            PrefixLease lease = leases[slot];
            leases[slot] = null;
            if (lease == null) {
                return false;
            }
            lease.close();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Evicts one block; its id. */
    @Operation
    public int evict() {
        lock.lock();
        try {
            return index.evict();
        } finally {
            lock.unlock();
        }
    }

    /** Entries and, times ten, those that leases hold; what does not add up is -1. */
    @Operation
    public int entries() {
        lock.lock();
        try {
            return index.audit().isEmpty() ? index.entries() + 10 * index.pinnedEntries() : -1;
        } finally {
            lock.unlock();
        }
    }

    @Test
    void underStress() {
        new StressOptions().iterations(5).invocationsPerIteration(200).check(getClass());
    }

    @Test
    void inEveryInterleaving() {
        new ModelCheckingOptions().iterations(5).invocationsPerIteration(100).check(getClass());
    }
}
