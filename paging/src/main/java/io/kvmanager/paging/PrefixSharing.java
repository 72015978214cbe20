package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.KvCacheConfig;
import io.kvmanager.PrefixRequest;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The prefixes that sequences of one cache leave behind. A prefix is cut into spans of {@link #spanTokens}: a block of
 * tokens, or where layers are pruned, a chunk, because what a chunk keeps depends on nothing behind it. A span is found
 * by the digest of all tokens up to its end, and holds a reference on its blocks and homes in every layer.
 *
 * <p>Where nothing is pruned, a request that shares the beginning of one more block gets a copy of it: of the blocks
 * that follow its prefix, the one with the longest common run of tokens.
 *
 * <p>Blocks that only spans hold are as good as free: when memory is short, the index names spans that no open sequence
 * has, descendants first, and they are let go. An open sequence holds references on what its lease pins, so what is
 * pinned is never counted as free.
 */
final class PrefixSharing {
    private final KvCacheConfig config;
    private final BlockPool pool;
    private final ValueTier tier;
    private final PyramidSchedule schedule;
    private final LayerSharing layers;
    private final PrefixIndex index;
    private final SpanTree tree = new SpanTree();
    private final MemorySegment zeroRows;
    private final List<@Nullable CachedSpan> spans = new ArrayList<>();
    private final Deque<Integer> freeSpans = new ArrayDeque<>();

    PrefixSharing(
            KvCacheConfig config,
            Device device,
            BlockPool pool,
            ValueTier tier,
            HostCopies copies,
            PyramidSchedule schedule) {
        this.config = config;
        this.pool = pool;
        this.tier = tier;
        this.schedule = schedule;
        this.layers = new LayerSharing(pool, tier, copies);
        // A span has a block of K in every layer, so more do not fit.
        int capacity = Math.max(1, pool.capacity() / config.geometry().layers());
        EvictionOrder order = EvictionOrders.make(config.prefixes().eviction(), capacity, capacity);
        zeroRows = device.allocate(Tier.DEVICE, zeroRowBytes(config));
        index = new PrefixIndex(capacity, order, () -> System.nanoTime() / 1_000_000);
    }

    /** Device bytes that a cache needs to keep prefixes, beside what it keeps of them. */
    static long zeroRowBytes(KvCacheConfig config) {
        int rows = copiesHeads(config) ? config.geometry().blockTokens() - 1 : 0;
        return 4L * rows * config.geometry().keyValueRowElements();
    }

    /** Whether a part of a span can be of use. */
    private static boolean copiesHeads(KvCacheConfig config) {
        return config.prefixes().enabled() && config.retention() instanceof RetentionPolicy.All;
    }

    /** Tokens of a span. */
    int spanTokens() {
        return config.retention() instanceof RetentionPolicy.PerChunk perChunk
                ? perChunk.chunkTokens()
                : config.geometry().blockTokens();
    }

    /** Blocks of K that a span has in a layer. */
    int blocksOfSpan(int layer) {
        return schedule.prunesInChunks()
                ? schedule.keptOfWindow(layer) / config.geometry().blockTokens()
                : 1;
    }

    /** How blocks change hands. */
    LayerSharing layers() {
        return layers;
    }

    /** What a request's spans have in common. */
    BlockIdentity.Scope scope(PrefixRequest request) {
        boolean prunes = config.retention() instanceof RetentionPolicy.PerChunk;
        return new BlockIdentity.Scope(
                config.prefixes().model(),
                config.geometry().elementType(),
                spanTokens(),
                0,
                prunes ? "chunks" : "none",
                config.retention() instanceof RetentionPolicy.PerChunk chunks ? parameters(chunks) : Map.of(),
                request.adapter(),
                request.tenant());
    }

    private static Map<String, String> parameters(RetentionPolicy.PerChunk chunks) {
        return Map.of(
                "shares", chunks.shares().toString(),
                "sinks", Integer.toString(chunks.sinkTokens()),
                "queries", Integer.toString(chunks.observationQueries()),
                "pool", Integer.toString(chunks.poolingWidth()));
    }

    /** A lease on the longest cached prefix of {@code spanCount} spans; changes nothing. */
    PrefixLease lookup(long[] digests, int spanCount, int priority) {
        return index.lookup(digests, 0, spanCount, priority);
    }

    /**
     * What a request can copy behind the cached prefix that a lease is on, or null.
     *
     * @param tokens ids of the request; one of the first {@code named} is left to compute
     */
    @Nullable
    SpanHead head(PrefixLease lease, BlockIdentity.Scope scope, int[] tokens, int named) {
        return copiesHeads(config)
                ? tree.longest(scope, last(lease), tokens, lease.blocks() * spanTokens(), named - 1)
                : null;
    }

    /** Zeros for the rows of a block behind a head, F32 in device memory. */
    MemorySegment zeroRows() {
        return zeroRows;
    }

    /** The last span of a lease, or null if it is on none. */
    @Nullable
    CachedSpan last(PrefixLease lease) {
        return lease.deepest() == EvictionOrder.NONE ? null : span(index.blockId(lease.deepest()));
    }

    /** The spans of a lease, first one first. */
    List<CachedSpan> spansOf(PrefixLease lease) {
        int[] ids = new int[lease.blocks()];
        lease.copyBlocks(ids);
        List<CachedSpan> found = new ArrayList<>();
        for (int id : ids) {
            found.add(span(id));
        }
        return found;
    }

    private CachedSpan span(int id) {
        CachedSpan found = spans.get(id);
        if (found == null) {
            throw new IllegalStateException("span " + id + " is free");
        }
        return found;
    }

    /**
     * Registers the next span of a lease and takes over its references.
     *
     * @return null; or the span that has the same tokens already, to be used instead, and {@code span}'s references are
     *     gone
     */
    @Nullable
    CachedSpan register(PrefixLease lease, long[] digests, int offset, CachedSpan span) {
        int id = freeSpans.isEmpty() ? spans.size() : freeSpans.pop();
        if (id == spans.size()) {
            spans.add(span);
        } else {
            spans.set(id, span);
        }
        int used = lease.register(digests, offset, id);
        if (used == id) {
            tree.add(span);
            return null;
        }
        free(id);
        return span(used);
    }

    /** Whether one more span can be registered; makes room if it must. */
    boolean hasRoom() {
        return !index.isFull() || evict();
    }

    private boolean evict() {
        int id = index.evict();
        if (id == EvictionOrder.NONE) {
            return false;
        }
        tree.remove(span(id));
        free(id);
        return true;
    }

    private void free(int id) {
        layers.release(span(id));
        spans.set(id, null);
        freeSpans.push(id);
    }

    /** Lets spans go until so much is available, or none is left that could go. */
    void reclaim(long blocks, long homes) {
        while (pool.availableBlocks() < blocks || tier.availableBlocks() < homes) {
            if (!evict()) {
                return;
            }
        }
    }

    /** Device blocks that only spans hold. */
    int reclaimableBlocks() {
        int count = 0;
        for (CachedSpan span : spans) {
            for (CachedSpan.Blocks layer : span == null ? new CachedSpan.Blocks[0] : span.layers) {
                for (int i = 0; i < layer.keys.length; i++) {
                    count += pool.references(layer.keys[i]) == 1 ? 1 : 0;
                    count += layer.values[i] != ABSENT && pool.references(layer.values[i]) == 1 ? 1 : 0;
                }
            }
        }
        return count;
    }

    /** Homes that only spans hold. */
    int reclaimableHomes() {
        int count = 0;
        for (CachedSpan span : spans) {
            for (CachedSpan.Blocks layer : span == null ? new CachedSpan.Blocks[0] : span.layers) {
                for (int home : layer.homes) {
                    count += home != ABSENT && tier.references(home) == 1 ? 1 : 0;
                }
            }
        }
        return count;
    }

    /** Adds the spans' references to the recounts, for audits. */
    void count(int[] blockReferences, int[] homeReferences) {
        for (CachedSpan span : spans) {
            for (CachedSpan.Blocks layer : span == null ? new CachedSpan.Blocks[0] : span.layers) {
                for (int i = 0; i < layer.keys.length; i++) {
                    blockReferences[layer.keys[i]]++;
                    if (layer.values[i] != ABSENT) {
                        blockReferences[layer.values[i]]++;
                    }
                    if (layer.homes[i] != ABSENT) {
                        homeReferences[layer.homes[i]]++;
                    }
                }
            }
        }
    }

    /** Everything that does not add up inside. */
    List<String> audit() {
        List<String> found = new ArrayList<>(index.audit());
        if (spans.size() - freeSpans.size() != index.entries()) {
            found.add(spans.size() - freeSpans.size() + " spans for " + index.entries() + " entries");
        }
        for (int id = 0; id < spans.size(); id++) {
            CachedSpan span = spans.get(id);
            if (span != null && !tree.holds(span)) {
                found.add("span " + id + " is not among those that continue its parent");
            }
        }
        if (tree.scopes() > index.entries()) {
            found.add(tree.scopes() + " scopes for " + index.entries() + " entries");
        }
        return found;
    }
}
