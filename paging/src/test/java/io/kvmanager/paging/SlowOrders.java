package io.kvmanager.paging;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** The eviction orders but {@code hit-density} by full scans. */
final class SlowOrders {
    private SlowOrders() {}

    static SlowPrefixCache make(String policy, int capacity) {
        return switch (policy) {
            case "lru" -> new Lru(capacity);
            case "slru" -> new Slru(capacity);
            case "priority" -> new Priority(capacity);
            case "w-tinylfu" -> new TinyLfu(capacity);
            case "hit-density" -> new SlowHitDensity(capacity);
            default -> throw new IllegalArgumentException(policy);
        };
    }

    private static Optional<SlowPrefixCache.Block> oldest(
            SlowPrefixCache cache, Predicate<SlowPrefixCache.Block> which) {
        return cache.blocks().stream().filter(which).min(Comparator.comparingLong(block -> block.used));
    }

    private static final class Lru extends SlowPrefixCache {
        Lru(int capacity) {
            super(capacity);
        }

        @Override
        Block victim() {
            return oldest(this, block -> true).orElseThrow();
        }
    }

    private static final class Slru extends SlowPrefixCache {
        private long demotions;

        Slru(int capacity) {
            super(capacity);
        }

        @Override
        void entered(Block block) {
            block.segment = block.hit ? "protected" : "probation";
            long guarded =
                    blocks().stream().filter(b -> b.segment.equals("protected")).count();
            if (guarded > (int) (capacity * .8)) {
                Block demoted = oldest(this, b -> b.segment.equals("protected")).orElseThrow();
                demoted.segment = "probation";
                demoted.used = block.used; // behind everything on probation; ties: see victim
                demoted.priority = (int) ++demotions;
            }
        }

        /** A demoted block stands behind a block of the same use, and demoted blocks in the order of demotion. */
        @Override
        Block victim() {
            return blocks().stream()
                    .min(Comparator.comparing((Block b) -> b.segment.equals("protected"))
                            .thenComparingLong(b -> b.used)
                            .thenComparingInt(b -> b.priority))
                    .orElseThrow();
        }
    }

    private static final class Priority extends SlowPrefixCache {
        Priority(int capacity) {
            super(capacity);
        }

        private boolean counts(Block block) {
            return block.priority > 0 && nowMillis - block.usedMillis <= Orders.TIME_TO_LIVE_MILLIS;
        }

        @Override
        Block victim() {
            return oldest(this, block -> !counts(block))
                    .orElseGet(() -> blocks().stream()
                            .min(Comparator.comparingInt((Block block) -> block.priority)
                                    .thenComparingLong(block -> block.used))
                            .orElseThrow());
        }
    }

    private static final class TinyLfu extends SlowPrefixCache {
        private final FrequencySketch sketch;
        private final int windowLimit;
        private long moves;

        TinyLfu(int capacity) {
            super(capacity);
            sketch = new FrequencySketch(capacity);
            windowLimit = Math.max(1, capacity / 100);
        }

        private static long fingerprint(Block block) {
            long[] digests = Chains.of(block.chain.stream().mapToInt(id -> id).toArray());
            return digests[digests.length - BlockIdentity.DIGEST_LONGS];
        }

        private long length(String segment) {
            return blocks().stream().filter(b -> b.segment.equals(segment)).count();
        }

        private Optional<Block> oldestIn(String segment) {
            return blocks().stream()
                    .filter(b -> b.segment.equals(segment))
                    .min(Comparator.comparingLong(b -> b.usedMillis));
        }

        /** Places in lists are kept in {@code usedMillis}, which this policy does not need otherwise. */
        private void move(Block block, String segment) {
            block.segment = segment;
            block.usedMillis = ++moves;
        }

        @Override
        void used(List<Block> path, int hits) {
            for (int i = 0; i < path.size(); i++) {
                sketch.increment(fingerprint(path.get(i)));
                path.get(i).segment = "pinned " + (i < hits ? path.get(i).segment : "window");
            }
        }

        @Override
        void entered(Block block) {
            String before = block.segment.substring("pinned ".length());
            move(block, before.equals("window") ? "window" : "protected");
            if (length("protected") > (int) ((capacity - windowLimit) * .8)) {
                move(oldestIn("protected").orElseThrow(), "probation");
            }
            long cachedNow = length("window") + length("probation") + length("protected");
            if (length("window") > windowLimit && cachedNow <= capacity) {
                move(oldestIn("window").orElseThrow(), "probation");
            }
        }

        @Override
        Block victim() {
            Optional<Block> candidate = oldestIn("window");
            Optional<Block> incumbent = oldestIn("probation").or(() -> oldestIn("protected"));
            if (candidate.isEmpty() || (incumbent.isPresent() && length("window") <= windowLimit)) {
                return incumbent.orElseThrow();
            }
            boolean wins = incumbent.isPresent()
                    && sketch.estimate(fingerprint(candidate.get())) > sketch.estimate(fingerprint(incumbent.get()));
            if (wins) {
                move(candidate.get(), "probation");
                return incumbent.get();
            }
            return candidate.get();
        }
    }
}
