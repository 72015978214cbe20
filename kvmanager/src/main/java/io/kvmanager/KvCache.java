package io.kvmanager;

import io.kvmanager.spi.KvCacheBackend;
import io.kvmanager.spi.KvCacheBackendProvider;
import io.kvmanager.spi.ProviderSelection;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A KV cache: an engine hands it q, k and v and gets attention output back; the cache decides what is kept, where it
 * lives, and what is fetched. This is the door; start reading here.
 *
 * <pre>{@code
 * try (KvCache cache = KvCache.open(config); KvSequence sequence = cache.openSequence()) {
 *     sequence.beginPrompt(n);
 *     for (int layer = 0; layer < layers; layer++) {
 *         alive = sequence.attendPrompt(layer, rows, q, k, v, out);
 *     }
 *     sequence.commit();
 *     while (generating) {
 *         sequence.beginToken();
 *         for (int layer = 0; layer < layers; layer++) {
 *             sequence.attend(layer, q, k, v, out);
 *         }
 *         sequence.commit();
 *     }
 * }
 * }</pre>
 *
 * <p>Open, close, memory and ledger may be called from any thread; a sequence belongs to one thread at a time.
 */
public final class KvCache implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(KvCache.class);

    private final KvCacheConfig config;
    private final KvCacheBackend backend;

    private KvCache(KvCacheConfig config, KvCacheBackend backend) {
        this.config = config;
        this.backend = backend;
    }

    /**
     * Opens a cache and takes its memory, once.
     *
     * @throws KvCacheException.ProviderUnusable if no module on the class path serves the cache, or a named device
     *     cannot run
     * @throws KvCacheException.OutOfMemory if a budget does not hold one sequence
     */
    public static KvCache open(KvCacheConfig config) {
        KvCacheBackend backend = provider(config).open(config);
        LOG.info("opened {} on {}: {}", config.cache(), backend.deviceDescription(), config);
        return new KvCache(config, backend);
    }

    /** What {@link #open} would take, to the byte, before anything is allocated. */
    public static MemoryPlan plan(KvCacheConfig config) {
        return provider(config).plan(config);
    }

    private static KvCacheBackendProvider provider(KvCacheConfig config) {
        return ProviderSelection.backend(config.cache());
    }

    /**
     * Starts a sequence of length 0.
     *
     * @throws KvCacheException.TooManySequences at the limit
     * @throws IllegalStateException if the cache is closed
     */
    public KvSequence openSequence() {
        return backend.openSequence();
    }

    /**
     * Whether a request may start now. Changes and reserves nothing: between the answer and the request's first step
     * other threads may take what was free.
     *
     * <p>{@link Admission.Never} if prompt and new tokens do not fit an empty cache; {@link Admission.Wait} if the
     * prompt does not fit now beside the watermark; {@code Admit} otherwise. What the new tokens need is reserved when
     * they come: if that fails, suspend somebody.
     *
     * @param promptTokens tokens of its prompt
     * @param newTokens most tokens behind it
     */
    public Admission admit(int promptTokens, int newTokens) {
        return backend.admit(promptTokens, newTokens);
    }

    /**
     * Whether a suspended sequence may be resumed now, beside the watermark; never {@link Admission.Never}. Changes and
     * reserves nothing.
     *
     * @throws IllegalStateException if it is not suspended
     */
    public Admission admit(KvSequence suspended) {
        return backend.admit(suspended);
    }

    /**
     * Begins a step for several sequences, or for none: what all of them can need in every layer, role and tier is
     * reserved together. Afterwards each is used as after its own {@link KvSequence#beginToken} or
     * {@link KvSequence#beginPrompt}. A block that several of them share is counted for each that may have to copy it.
     *
     * @param batch sequences of this cache, each once; not kept
     * @throws KvCacheException.OutOfMemory with what is missing for all of them together; no sequence changed
     * @throws KvCacheException.SequenceTooLong if one would become too long; no sequence changed
     */
    public void begin(StepBatch batch) {
        backend.begin(batch);
    }

    /**
     * Starts a sequence behind the longest prefix of the request that the cache holds; its length says how long that
     * is. Full blocks are shared; where nothing is pruned, the part of one more block that the request has in common
     * with a cached one is copied, if there is memory for the copy. At least one token of the request is left to
     * compute. What the sequence computes of the request, and behind
     * it as far as {@link KvSequence#name} tells its tokens, stays cached for others after it is closed, until memory
     * is needed.
     *
     * @throws KvCacheException.TooManySequences at the limit
     * @throws KvCacheException.OutOfMemory if V of the recent window, which is resident, does not fit
     * @throws UnsupportedOperationException if prefixes are not cached
     */
    public KvSequence openSequence(PrefixRequest request) {
        return backend.openSequence(request);
    }

    /**
     * Block tables of one layer for kernels of another engine.
     *
     * @param sequences of this cache, each with at least one token
     * @throws IllegalStateException if a sequence is empty or suspended, or some of its V is in host memory
     * @throws UnsupportedOperationException on a cache without blocks
     */
    public PageTables pageTables(int layer, List<KvSequence> sequences) {
        return backend.pageTables(layer, sequences);
    }

    /**
     * Tokens of the request that {@link #openSequence(PrefixRequest)} would find now; fewer than a block less where it
     * has no memory for a copy. Changes nothing.
     */
    public int cachedTokens(PrefixRequest request) {
        return backend.cachedTokens(request);
    }

    /** The configuration it was opened with, effective values. */
    public KvCacheConfig config() {
        return config;
    }

    /** The device and kernels in use, for people. */
    public String deviceDescription() {
        return backend.deviceDescription();
    }

    /**
     * Native handle of the stream that attention is launched on, for engines whose own kernels work on the same device:
     * {@code CUstream} on CUDA, 0 where calls return with their work done. It is a blocking stream, so work on CUDA's
     * default stream is in order with it anyway.
     */
    public long stream() {
        return backend.stream();
    }

    /** Waits until everything that was launched has run; needed only for buffers in device memory. */
    public void synchronize() {
        backend.synchronize();
    }

    /** Where every byte is, now. */
    public Ledger ledger() {
        return backend.ledger();
    }

    /** Bytes taken and used per tier, now and at peak. */
    public MemoryUse memory() {
        return backend.memory();
    }

    /** Recounts every account from the owners' side and reports what differs; empty when all is well. */
    public List<String> audit() {
        return backend.audit();
    }

    /** Closes open sequences and gives all memory back; a second close does nothing. */
    @Override
    public void close() {
        backend.close();
    }
}
