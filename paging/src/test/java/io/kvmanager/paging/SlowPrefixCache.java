package io.kvmanager.paging;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@link MetadataPrefixCache} does, written with collections and full scans: the judge of the eviction orders.
 * Blocks are objects in a map by chain; a policy is a subclass that names a victim.
 */
abstract class SlowPrefixCache {
    private final Map<List<Integer>, Block> cached = new HashMap<>();
    final int capacity;
    long nowMillis;
    private long uses;

    /** A cached block and all that a policy may want to know of it. */
    static final class Block {
        final List<Integer> chain;
        final List<Block> children = new ArrayList<>();
        long used;
        long usedMillis;
        boolean hit;
        int priority;
        String segment = "window";

        Block(List<Integer> chain) {
            this.chain = chain;
        }
    }

    SlowPrefixCache(int capacity) {
        this.capacity = capacity;
    }

    int serve(int[] ids, int priority, long arrivalMillis) {
        nowMillis = arrivalMillis;
        List<Integer> chain = new ArrayList<>();
        List<Block> path = new ArrayList<>();
        int hits = 0;
        for (int id : ids) {
            chain.add(id);
            List<Integer> key = List.copyOf(chain);
            Block block = cached.get(key);
            if (block == null) {
                block = new Block(key);
                cached.put(key, block);
                if (!path.isEmpty()) {
                    path.getLast().children.addFirst(block);
                }
            } else {
                hits++;
            }
            path.add(block);
        }
        used(path, hits);
        for (int i = path.size() - 1; i >= 0; i--) {
            Block block = path.get(i);
            block.used = uses++;
            block.usedMillis = nowMillis;
            block.hit = i < hits;
            block.priority = Math.min(PriorityOrder.HIGHEST, priority);
            entered(block);
        }
        while (cached.size() > capacity) {
            Block victim = victim();
            while (!victim.children.isEmpty()) {
                victim = victim.children.getFirst();
            }
            cached.remove(victim.chain);
            Block parent = cached.get(victim.chain.subList(0, victim.chain.size() - 1));
            if (parent != null) {
                parent.children.remove(victim);
            }
            evicted(victim);
        }
        return hits;
    }

    List<Block> blocks() {
        return new ArrayList<>(cached.values());
    }

    long uses() {
        return uses;
    }

    void used(List<Block> path, int hits) {}

    void entered(Block block) {}

    void evicted(Block block) {}

    abstract Block victim();
}
