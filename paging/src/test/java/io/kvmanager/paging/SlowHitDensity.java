package io.kvmanager.paging;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** {@code hit-density} with objects, an unbounded memory of evicted blocks, and worths computed when asked for. */
final class SlowHitDensity extends SlowPrefixCache {
    private static final int BUCKETS = 80;

    private final List<Use> records = new ArrayList<>();
    private final Map<List<Integer>, Use> lastUse = new HashMap<>();
    private final Map<Integer, double[]> hazards = new HashMap<>();
    private int lastLearning;
    private int untilLearning = 32;
    private List<Use> current = List.of();

    /** Blocks of one part of one request, and those of them that are still cached, the first to go first. */
    private static final class Use {
        int kind;
        int turn;
        int blocks;
        long millis;
        int returned;
        long returnMillis;
        long number;
        final List<Block> members = new ArrayList<>();
    }

    SlowHitDensity(int capacity) {
        super(capacity);
    }

    @Override
    void used(List<Block> path, int hits) {
        List<Use> known = new ArrayList<>();
        for (int i = 0; i < path.size() && lastUse.containsKey(path.get(i).chain); i++) {
            known.add(lastUse.get(path.get(i).chain));
        }
        int from = 0;
        for (int i = 0; i < known.size(); i++) {
            from = known.get(from) == known.get(i) ? from : i;
            Use use = known.get(i);
            if (i - from + 1 > use.returned) {
                use.returned = i - from + 1;
                use.returnMillis = nowMillis;
            }
        }
        int turn = known.size() > 1 ? Math.min(100, known.getLast().turn + 1) : 0;
        int turnClass = turn < 3 ? turn : turn < 5 ? 3 : turn < 8 ? 4 : 5;
        int request = (turnClass * 2 + (path.size() - known.size() <= 2 ? 1 : 0)) * 3;
        int end = path.size() - 1;
        int reused = Math.min(known.size(), end);
        current = List.of(add(request, turn, reused), add(request + 1, turn, end - reused), add(request + 2, turn, 1));
        for (int i = 0; i <= end; i++) {
            Use before = lastUse.get(path.get(i).chain);
            if (before != null) {
                before.members.remove(path.get(i));
            }
            lastUse.put(path.get(i).chain, current.get(i == end ? 2 : i < reused ? 0 : 1));
        }
        if (records.size() - lastLearning >= untilLearning) {
            learn();
            lastLearning = records.size();
            untilLearning = Math.min(2 * untilLearning, 768);
        }
    }

    private Use add(int kind, int turn, int blocks) {
        Use use = new Use();
        use.kind = kind;
        use.turn = turn;
        use.blocks = blocks;
        use.millis = nowMillis;
        use.number = records.size();
        records.add(use);
        return use;
    }

    @Override
    void entered(Block block) {
        lastUse.get(block.chain).members.add(block);
    }

    @Override
    void evicted(Block block) {
        lastUse.get(block.chain).members.remove(block);
    }

    /** Hazards of every class from every record, each bucket on its own. */
    private void learn() {
        Set<Integer> kinds = new HashSet<>();
        records.forEach(use -> kinds.add(use.kind));
        for (int kind = 0; kind < 36; kind++) {
            double[] hazard = new double[BUCKETS];
            for (int k = 0; k < BUCKETS; k++) {
                double allReturned = returned(-1, k);
                double allWaited = waited(-1, k);
                double width = ReturnTimes.start(k + 1) - ReturnTimes.start(k);
                double common = allWaited > 0 ? allReturned / allWaited : 0;
                hazard[k] = (returned(kind, k) + common * (30 * width)) / (waited(kind, k) + 30 * width);
            }
            hazards.put(kind, hazard);
        }
    }

    private double returned(int kind, int bucket) {
        double sum = 0;
        for (Use use : records) {
            boolean counts = kind < 0 || use.kind == kind;
            if (counts && use.returned > 0 && ReturnTimes.bucket(use.returnMillis - use.millis) == bucket) {
                sum += use.returned;
            }
        }
        return sum;
    }

    private double waited(int kind, int bucket) {
        double sum = 0;
        for (Use use : records) {
            if (kind < 0 || use.kind == kind) {
                sum += use.returned * inside(use.returnMillis - use.millis, bucket);
                sum += (use.blocks - use.returned) * inside(nowMillis - use.millis, bucket);
            }
        }
        return sum;
    }

    private static double inside(long age, int bucket) {
        return Math.max(0, Math.min(age, ReturnTimes.start(bucket + 1)) - ReturnTimes.start(bucket));
    }

    private double worth(Use use) {
        double[] hazard = hazards.get(use.kind);
        if (hazard == null) {
            return 0;
        }
        double absent = 1;
        double hits = 0;
        double time = 0;
        double best = 0;
        for (int k = ReturnTimes.bucket(nowMillis - use.millis); k < BUCKETS; k++) {
            double width = ReturnTimes.start(k + 1) - ReturnTimes.start(k);
            double stays = Math.exp(-hazard[k] * width);
            double returning = absent * (1 - stays);
            hits += returning;
            time += hazard[k] > 0 ? returning / hazard[k] : absent * width;
            absent *= stays;
            best = Math.max(best, hits / time);
        }
        return best;
    }

    /** Of the oldest and the youngest run of every class the one worth least; of equals the older, then the class. */
    @Override
    Block victim() {
        Map<Integer, Use> oldest = new HashMap<>();
        Map<Integer, Use> youngest = new HashMap<>();
        for (Use use : records) {
            if (!use.members.isEmpty()) {
                oldest.putIfAbsent(use.kind, use);
                youngest.put(use.kind, use);
            }
        }
        List<Use> ends = new ArrayList<>(oldest.values());
        ends.addAll(youngest.values());
        return ends.stream()
                .min(Comparator.comparingDouble(this::worth)
                        .thenComparingLong(use -> use.millis)
                        .thenComparingInt(use -> use.kind)
                        .thenComparingLong(use -> use.number))
                .orElseThrow()
                .members
                .getFirst();
    }
}
