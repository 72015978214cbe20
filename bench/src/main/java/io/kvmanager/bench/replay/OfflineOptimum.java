package io.kvmanager.bench.replay;

import java.util.Arrays;
import java.util.BitSet;

/**
 * The best that any eviction could do that knows the future: Belady's rule, what is used again latest goes first.
 *
 * <p>Same rules as a replay: a hit is a block of the contiguous prefix that is present at arrival; the whole request is
 * inserted; then blocks are evicted down to the capacity. Among blocks whose next use is the same request the deepest
 * goes first. A descendant is never used without its ancestors, so no ancestor's next use is later, and the rule always
 * finds a block without cached descendants: the prefix constraint costs it nothing, and it stays optimal.
 *
 * <pre>
 * queue q     blocks whose next use is request q, in order of their last use, the end of a prefix first; queue
 *             `requests` holds those that are never used again
 * waiting     the queues that are not empty
 * </pre>
 *
 * Within a queue deeper blocks were used earlier, so its head is the deepest. Every step is O(1), but for the search
 * for the last queue.
 */
final class OfflineOptimum {
    private static final int NONE = -1;

    private final Trace trace;
    private final int[] nextUse;
    private final int[] head;
    private final int[] tail;
    private final int[] link;
    private final BitSet waiting = new BitSet();
    private final boolean[] cached;
    private int cachedBlocks;
    private long evictions;

    private OfflineOptimum(Trace trace, int[] nextUse) {
        this.trace = trace;
        this.nextUse = nextUse;
        head = new int[trace.requests() + 1];
        tail = new int[trace.requests() + 1];
        Arrays.fill(head, NONE);
        link = new int[trace.uniqueBlocks()];
        cached = new boolean[trace.uniqueBlocks()];
    }

    /** Runs the whole trace. */
    static ReplayRun run(Trace trace, int capacityBlocks) {
        OfflineOptimum optimum = new OfflineOptimum(trace, nextUses(trace));
        HitCount hits = new HitCount(trace);
        long start = System.nanoTime();
        for (int r = 0; r < trace.requests(); r++) {
            hits.add(r, optimum.serve(r, capacityBlocks));
        }
        return hits.run(ReplayRun.OPTIMUM, capacityBlocks, optimum.evictions, System.nanoTime() - start);
    }

    /** For every block of every request the next request that uses it, or the number of requests. */
    private static int[] nextUses(Trace trace) {
        int[] next = new int[trace.references()];
        int[] latest = new int[trace.uniqueBlocks()];
        Arrays.fill(latest, trace.requests());
        for (int r = trace.requests() - 1; r >= 0; r--) {
            int from = trace.firstBlock(r);
            for (int i = from; i < from + trace.blocks(r); i++) {
                next[i] = latest[trace.number(i)];
            }
            for (int i = from; i < from + trace.blocks(r); i++) {
                latest[trace.number(i)] = r;
            }
        }
        return next;
    }

    private int serve(int request, int capacityBlocks) {
        int from = trace.firstBlock(request);
        int blocks = trace.blocks(request);
        int hits = 0;
        while (hits < blocks && cached[trace.number(from + hits)]) {
            hits++;
        }
        head[request] = NONE; // all that waited for this request is used now
        waiting.clear(request);
        for (int i = from + blocks - 1; i >= from; i--) {
            int block = trace.number(i);
            cachedBlocks += cached[block] ? 0 : 1;
            cached[block] = true;
            append(nextUse[i], block);
        }
        while (cachedBlocks > capacityBlocks) {
            evict();
        }
        return hits;
    }

    private void append(int queue, int block) {
        link[block] = NONE;
        if (head[queue] == NONE) {
            head[queue] = block;
            waiting.set(queue);
        } else {
            link[tail[queue]] = block;
        }
        tail[queue] = block;
    }

    private void evict() {
        int queue = waiting.previousSetBit(trace.requests());
        int block = head[queue];
        head[queue] = link[block];
        if (head[queue] == NONE) {
            waiting.clear(queue);
        }
        cached[block] = false;
        cachedBlocks--;
        evictions++;
    }
}
