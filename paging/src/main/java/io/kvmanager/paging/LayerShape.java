package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.PlacementPolicy;

/**
 * How many blocks one layer of one sequence holds, and where in it things begin. Pure arithmetic: a sequence moves its
 * blocks by it, and planning runs it without blocks.
 *
 * <pre>
 * slots   0 ........ frontier .............. kept
 *         settled:   may not move again      recent window, and up to 16 tokens that left it
 *
 * blocks  0 .. sinks .. [dropped: home and mean only] .. residentFrom .. last (open)
 * </pre>
 *
 * <ul>
 *   <li>A block is <em>settled</em> when all its slots are written and lie before the frontier (before {@code kept}
 *       where nothing is pruned in generation). Settled V of an offloaded layer is written through to its home.
 *   <li>A settled V block behind the sinks is <em>dropped</em> from device memory when it has left the last
 *       {@code recentTokens} slots.
 * </ul>
 */
final class LayerShape {
    final int layer;
    private final PyramidSchedule schedule;
    private final int blockTokens;
    private final boolean offloads;
    private final StandInShape standIns;
    private final int sinkBlocks;
    private final int recentValueTokens;
    private final int queryBlocks;
    private int kept;
    private int frontier;
    private int settledBlocks;
    private int residentFrom;

    LayerShape(int layer, PyramidSchedule schedule, CacheGeometry geometry, PlacementPolicy placement) {
        this.layer = layer;
        this.schedule = schedule;
        this.blockTokens = geometry.blockTokens();
        if (placement instanceof PlacementPolicy.Offloaded offloaded && layer >= offloaded.residentValueLayers()) {
            offloads = true;
            standIns = StandInShape.of(geometry, placement);
            sinkBlocks = offloaded.sinkBlocks();
            recentValueTokens = offloaded.recentTokens();
        } else {
            offloads = false;
            standIns = StandInShape.NONE;
            sinkBlocks = 0;
            recentValueTokens = 0;
        }
        residentFrom = sinkBlocks;
        queryBlocks = geometry.blocksFor(schedule.observationQueries(layer) * geometry.groupSize());
    }

    /** A shape in the same state as {@code other}. */
    LayerShape(LayerShape other) {
        layer = other.layer;
        schedule = other.schedule;
        blockTokens = other.blockTokens;
        offloads = other.offloads;
        standIns = other.standIns;
        sinkBlocks = other.sinkBlocks;
        recentValueTokens = other.recentValueTokens;
        queryBlocks = other.queryBlocks;
        kept = other.kept;
        frontier = other.frontier;
        settledBlocks = other.settledBlocks;
        residentFrom = other.residentFrom;
    }

    /** What {@link #truncate} would make of this. */
    LayerShape truncated(int slots) {
        LayerShape after = new LayerShape(this);
        after.truncate(slots);
        return after;
    }

    boolean prunes() {
        return schedule.prunesInGeneration(layer);
    }

    int windowTokens() {
        return schedule.windowTokens();
    }

    /** Books {@code tokens} tokens that are pruned chunk by chunk; returns the new blocks that takes at its peak. */
    int extendInChunks(int tokens) {
        int before = blocks();
        int most = 0;
        boolean first = kept == 0;
        for (int left = tokens; left > 0; ) {
            int count = Math.min(left, tokensUntilPruning());
            append(count);
            most = Math.max(most, 2 * (blocks() - before));
            left -= count;
            if (tokensUntilPruning() == 0) {
                pruned();
            }
        }
        return most + (first ? queryBlocks : 0);
    }

    /** Tokens that can be appended before a window is due; none are due now. */
    int tokensUntilPruning() {
        return schedule.prunesInGeneration(layer) ? frontier + schedule.windowTokens() - kept : Integer.MAX_VALUE;
    }

    /** Slots held. */
    int kept() {
        return kept;
    }

    /** First slot that pruning may still move. */
    int frontier() {
        return frontier;
    }

    /** Leading blocks that are settled. */
    int settledBlocks() {
        return settledBlocks;
    }

    boolean offloads() {
        return offloads;
    }

    /** Where the layer's stand-ins lie. */
    StandInShape standIns() {
        return standIns;
    }

    int sinkBlocks() {
        return sinkBlocks;
    }

    /** Blocks of the query window; held from the first token on. */
    int queryBlocks() {
        return queryBlocks;
    }

    /** Logical blocks of K. */
    int blocks() {
        return blocksFor(kept);
    }

    int blocksFor(int slots) {
        return (slots + blockTokens - 1) / blockTokens;
    }

    /** First block behind the sinks whose V is in device memory; between the sinks and it, V was dropped. */
    int residentFrom() {
        return residentFrom;
    }

    /** Moves {@link #residentFrom} on to what has settled and left the recent window, and returns it. */
    int drop() {
        residentFrom = Math.max(residentFrom, droppable());
        return residentFrom;
    }

    private int droppable() {
        int leftWindow = Math.max(0, kept - recentValueTokens) / blockTokens;
        return offloads ? Math.max(sinkBlocks, Math.min(settledBlocks, leftWindow)) : sinkBlocks;
    }

    /** Blocks of means or shadows that {@code settled} settled blocks need. */
    int standInBlocks(int settled) {
        return standIns.blocks(settled, sinkBlocks);
    }

    /** Homes that {@code settled} settled blocks have. */
    int homes(int settled) {
        return offloads ? Math.max(0, settled - sinkBlocks) : 0;
    }

    /** Device blocks held now, when nothing is shared. */
    int deviceBlocks() {
        int values = blocks() - (residentFrom - sinkBlocks);
        return blocks() + values + standInBlocks(settledBlocks) + (kept > 0 ? queryBlocks : 0);
    }

    /** Most blocks that can be settled once {@code tokens} more tokens are appended. */
    int settledAtMost(int tokens) {
        int limit = kept + tokens;
        if (schedule.prunesInGeneration(layer)) {
            // A window settles at most what it keeps; rounding up over the windows that can become due.
            int windows = (limit - frontier) / schedule.windowTokens();
            limit = Math.min(limit, frontier + windows * schedule.keptOfWindow(layer));
        }
        return Math.max(settledBlocks, limit / blockTokens);
    }

    /**
     * Tokens that can be appended and committed one by one, after {@link #settle} and {@link #drop}, before a block is
     * needed, settles or is dropped, or a window becomes due.
     */
    int quietTokens(int recent) {
        int untilFull = blocks() * blockTokens - kept;
        long quiet = prunes() ? untilFull : untilFull - 1; // what fills a block settles it
        if (prunes()) {
            quiet = Math.min(quiet, (long) frontier + windowTokens() + recent - 1 - kept);
        }
        if (offloads && residentFrom < settledBlocks) {
            quiet = Math.min(quiet, (residentFrom + 1L) * blockTokens + recentValueTokens - 1 - kept);
        }
        return (int) Math.max(0, quiet);
    }

    /** New device blocks that appending {@code tokens} tokens can need, when nothing is shared. */
    int newBlocks(int tokens) {
        int keyValue = 2 * (blocksFor(kept + tokens) - blocks());
        int standInBlocks = standInBlocks(settledAtMost(tokens)) - standInBlocks(settledBlocks);
        return keyValue + standInBlocks + (kept == 0 ? queryBlocks : 0);
    }

    /** Blocks that this holds and an earlier state of it did not, before V is dropped. */
    int newBlocksSince(LayerShape earlier) {
        int standInBlocks = standInBlocks(settledBlocks) - earlier.standInBlocks(earlier.settledBlocks);
        return 2 * (blocks() - earlier.blocks()) + standInBlocks + (earlier.kept == 0 && kept > 0 ? queryBlocks : 0);
    }

    /** Those of them that it still holds. V that was there before may be shared, so dropping that frees nothing. */
    int newBlocksHeldSince(LayerShape earlier) {
        int dropped = Math.max(0, residentFrom - Math.max(earlier.residentFrom, earlier.blocks()));
        return Math.max(0, newBlocksSince(earlier) - dropped);
    }

    /** New homes that appending {@code tokens} tokens can need. */
    int newHomes(int tokens) {
        return homes(settledAtMost(tokens)) - homes(settledBlocks);
    }

    /** Sets the state behind a first prompt, before anything is settled. */
    void prompt(int slots, int recent) {
        kept = slots;
        settledBlocks = 0;
        residentFrom = sinkBlocks;
        frontier = schedule.frontierAfterPrompt(slots, recent);
    }

    /** Books {@code blocks} settled blocks of a shared prefix; V of the recent window is missing. */
    void adopt(int blocks) {
        kept += blocks * blockTokens;
        frontier = schedule.prunesInGeneration(layer) ? kept : frontier;
        settledBlocks = kept / blockTokens;
        residentFrom = offloads ? Math.max(sinkBlocks, settledBlocks) : sinkBlocks;
    }

    void append(int slots) {
        kept += slots;
    }

    /** Whether a window has left the recent tokens and awaits pruning. */
    boolean pruneDue(int recent) {
        return schedule.prunesInGeneration(layer) && (long) kept - recent - frontier >= schedule.windowTokens();
    }

    /** Whether a window may become due once {@code tokens} more tokens are appended. */
    boolean pruneDueAfter(int tokens, int recent) {
        return schedule.prunesInGeneration(layer)
                && (long) kept + tokens - recent - frontier >= schedule.windowTokens();
    }

    /** Books the pruning of one window. */
    void pruned() {
        int keep = schedule.keptOfWindow(layer);
        kept -= schedule.windowTokens() - keep;
        frontier += keep;
    }

    /** Settles every block that can be; returns how many are settled now. */
    int settle() {
        int limit = schedule.prunesInGeneration(layer) ? frontier : kept;
        settledBlocks = Math.max(settledBlocks, limit / blockTokens);
        return settledBlocks;
    }

    /** Cuts to {@code slots} slots. */
    void truncate(int slots) {
        kept = Math.min(kept, slots);
        frontier = Math.min(frontier, kept);
        settledBlocks = Math.min(settledBlocks, kept / blockTokens);
        residentFrom = Math.min(residentFrom, droppable());
    }
}
