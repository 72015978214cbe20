package io.kvmanager.paging;

import io.kvmanager.Ledger.Account;
import java.util.concurrent.locks.ReentrantLock;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.junit.jupiter.api.Test;

/** Pool and reservations under one lock, as the backend has them: every interleaving is some order of the calls. */
@Param(name = "few", gen = IntGen.class, conf = "0:3")
public class PoolLinearizabilityTest {
    private static final int BLOCKS = 4;

    private final BlockPool pool = new BlockPool(BLOCKS);
    private final ReentrantLock lock = new ReentrantLock();

    /** Promises blocks. */
    @Operation
    public boolean reserve(@Param(name = "few") int blocks) {
        lock.lock();
        try {
            return pool.tryReserve(blocks);
        } finally {
            lock.unlock();
        }
    }

    /** Gives a promise back; throws if there is none. */
    @Operation
    public void unreserve(@Param(name = "few") int blocks) {
        lock.lock();
        try {
            pool.unreserve(blocks);
        } finally {
            lock.unlock();
        }
    }

    /** Takes a promised block; throws if there is none. */
    @Operation
    public int allocate() {
        lock.lock();
        try {
            return pool.allocate(Account.OPEN);
        } finally {
            lock.unlock();
        }
    }

    /** Shares a block; throws if it is free. */
    @Operation
    public void retain(@Param(name = "few") int id) {
        lock.lock();
        try {
            pool.retain(id);
        } finally {
            lock.unlock();
        }
    }

    /** Drops a reference; throws if the block is free. */
    @Operation
    public boolean release(@Param(name = "few") int id) {
        lock.lock();
        try {
            return pool.release(id);
        } finally {
            lock.unlock();
        }
    }

    /** Blocks that can be promised. */
    @Operation
    public int available() {
        lock.lock();
        try {
            return pool.availableBlocks();
        } finally {
            lock.unlock();
        }
    }

    @Test
    void underStress() {
        new StressOptions().iterations(10).invocationsPerIteration(1000).check(getClass());
    }

    @Test
    void inEveryInterleaving() {
        new ModelCheckingOptions().iterations(10).invocationsPerIteration(500).check(getClass());
    }
}
