package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.PlacementPolicy;
import java.util.Set;
import java.util.TreeSet;

/** A layer's blocks as sets of their numbers, moved slot by slot: what {@link LayerShape} counts. */
final class SlowLayerShape {
    private final int blockTokens;
    private final boolean offloads;
    private final int sinks;
    private final int recentValueTokens;
    private final boolean prunes;
    private final int window;
    private final int keptOfWindow;
    private final int queryBlocks;
    private final StandInShape standIns;
    private final TreeSet<Integer> settled = new TreeSet<>();
    private final TreeSet<Integer> dropped = new TreeSet<>();
    private int kept;
    private int frontier;

    SlowLayerShape(int layer, PyramidSchedule schedule, CacheGeometry geometry, PlacementPolicy placement) {
        blockTokens = geometry.blockTokens();
        PlacementPolicy.Offloaded offloaded = placement instanceof PlacementPolicy.Offloaded some ? some : null;
        offloads = offloaded != null && layer >= offloaded.residentValueLayers();
        sinks = offloads ? offloaded.sinkBlocks() : 0;
        recentValueTokens = offloads ? offloaded.recentTokens() : 0;
        standIns = offloads ? StandInShape.of(geometry, placement) : StandInShape.NONE;
        window = schedule.windowTokens();
        keptOfWindow = schedule.keptOfWindow(layer);
        prunes = keptOfWindow < window;
        queryBlocks = Math.ceilDiv(schedule.observationQueries(layer) * geometry.groupSize(), blockTokens);
    }

    SlowLayerShape(SlowLayerShape other) {
        blockTokens = other.blockTokens;
        offloads = other.offloads;
        sinks = other.sinks;
        recentValueTokens = other.recentValueTokens;
        standIns = other.standIns;
        window = other.window;
        keptOfWindow = other.keptOfWindow;
        prunes = other.prunes;
        queryBlocks = other.queryBlocks;
        settled.addAll(other.settled);
        dropped.addAll(other.dropped);
        kept = other.kept;
        frontier = other.frontier;
    }

    int kept() {
        return kept;
    }

    int frontier() {
        return frontier;
    }

    int settledBlocks() {
        return settled.size();
    }

    int blocks() {
        return (int) Math.ceil((double) kept / blockTokens);
    }

    /** Blocks whose V is absent from device memory. */
    int droppedBlocks() {
        return dropped.size();
    }

    int standInBlocks() {
        TreeSet<Integer> summaries = new TreeSet<>();
        TreeSet<Integer> codes = new TreeSet<>();
        for (int block : settled.tailSet(sinks)) {
            if (standIns.summariesPerBlock() > 0) {
                summaries.add(block / standIns.summariesPerBlock());
            }
            if (standIns.codesPerBlock() > 0) {
                codes.add(block / standIns.codesPerBlock());
            }
        }
        return summaries.size() + codes.size();
    }

    int homes() {
        return offloads ? settled.tailSet(sinks).size() : 0;
    }

    int queryBlocks() {
        return kept > 0 ? queryBlocks : 0;
    }

    int deviceBlocks() {
        return 2 * blocks() - dropped.size() + standInBlocks() + queryBlocks();
    }

    /** What is held before V is dropped. */
    int blocksWithAllValues() {
        return 2 * blocks() + standInBlocks() + queryBlocks();
    }

    void prompt(int slots, int firstMovable) {
        settled.clear();
        dropped.clear();
        kept = slots;
        frontier = firstMovable;
    }

    void append() {
        kept++;
    }

    boolean pruneDue(int recent) {
        return prunes && kept - (long) recent >= frontier + (long) window;
    }

    void pruned() {
        kept -= window - keptOfWindow;
        frontier += keptOfWindow;
    }

    /** Tokens until a window behind the frontier is complete. */
    boolean windowIsComplete() {
        return pruneDue(0);
    }

    void settle() {
        for (int block = 0; (block + 1) * blockTokens <= (prunes ? frontier : kept); block++) {
            settled.add(block);
        }
    }

    private Set<Integer> outside() {
        Set<Integer> outside = new TreeSet<>(settled);
        outside.removeIf(block -> !offloads || block < sinks || (block + 1) * blockTokens > kept - recentValueTokens);
        return outside;
    }

    void drop() {
        dropped.addAll(outside());
    }

    void truncate(int slots) {
        kept = Math.min(kept, slots);
        frontier = Math.min(frontier, kept);
        settled.removeIf(block -> (block + 1) * blockTokens > kept);
        dropped.retainAll(outside());
    }

    void adopt(int blocks) {
        kept += blocks * blockTokens;
        frontier = prunes ? kept : frontier;
        for (int block = 0; block < kept / blockTokens; block++) {
            settled.add(block);
            if (offloads && block >= sinks) {
                dropped.add(block);
            }
        }
    }

    /** Blocks dropped that an earlier state did not have. */
    int newDropped(SlowLayerShape earlier) {
        return dropped.tailSet(earlier.blocks()).size();
    }

    /** One token, and everything behind it; false if that was more than to count it. */
    boolean quietToken(int recent) {
        SlowLayerShape before = new SlowLayerShape(this);
        append();
        boolean quiet = blocks() == before.blocks() && !pruneDue(recent);
        settle();
        drop();
        return quiet && settled.equals(before.settled) && dropped.equals(before.dropped);
    }
}
