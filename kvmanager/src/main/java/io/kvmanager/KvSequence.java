package io.kvmanager;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * One request's tokens. A step is begun, run layer by layer, and committed: {@link #beginPrompt} or {@link #beginToken}
 * reserves everything the step can need in every layer, role and tier or throws and changes nothing; {@link #commit}
 * makes the step's tokens part of the sequence.
 *
 * <p>Buffers are F32, dense, 4-byte aligned, row-major: any native segment that all threads may access (of a shared,
 * automatic or global arena). On a device with memory of its own a segment over that memory saves two copies and all
 * waiting; with buffers in host memory, a call returns when {@code out} is written:
 *
 * <pre>
 * q, out  [rows][queryHeads][headSize]
 * k, v    [rows][kvHeads][headSize]       K after RoPE, so pruning never re-encodes
 * </pre>
 *
 * <p>Not thread-safe: one thread at a time. Every method but {@link #close} throws {@link IllegalStateException} on a
 * closed sequence; so does a second close.
 */
public interface KvSequence extends AutoCloseable {

    /** Committed tokens, pruned ones included. */
    int length();

    /** Slots that each KV head of {@code layer} holds, at most {@link #length()}. */
    int retained(int layer);

    /**
     * Token position of every slot of {@code layer}, ascending; a copy. Where KV heads keep tokens of their own (under
     * a {@link BudgetPolicy}), every position that one of them holds: there may be more than {@link #retained} slots.
     */
    int[] positions(int layer);

    /**
     * Reserves what a prompt of {@code tokens} tokens behind the present ones can need.
     *
     * @throws KvCacheException.OutOfMemory and changes nothing
     * @throws KvCacheException.SequenceTooLong and changes nothing
     */
    void beginPrompt(int tokens);

    /**
     * Appends K and V of the rows that are alive in {@code layer}, and computes causal attention for them. Layers are
     * called in order, each once per step; layer 0 gets every row of the prompt.
     *
     * @param rows rows alive in this layer
     * @param q queries, {@code [rows][queryHeads][headSize]}
     * @param k keys, {@code [rows][kvHeads][headSize]}
     * @param v values, {@code [rows][kvHeads][headSize]}
     * @param out attention output, {@code [rows][queryHeads][headSize]}, written
     * @return which of these rows go on to the next layer
     */
    RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out);

    /** Reserves what one more token can need; throws as {@link #beginPrompt} does. */
    void beginToken();

    /** Appends one token's K and V to {@code layer} and computes its attention; allocates nothing. */
    void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out);

    /**
     * Records the {@link #attend} calls of a token that has been begun, for every layer in order, without running them.
     * The step is still to be run: by {@link CapturedStep#replay} or by calling {@code attend}.
     *
     * @param step calls {@code attend} for every layer; its buffers lie in memory that kernels can address, and stay
     * @throws UnsupportedOperationException if the device does not capture steps
     */
    default CapturedStep capture(Runnable step) {
        throw new UnsupportedOperationException("this cache does not capture steps");
    }

    /** Ends the step: its tokens count, tokens that left the recent window are pruned, settled V goes to its home. */
    void commit();

    /**
     * Tells the ids of tokens behind those that the request named, so that what they fill can be shared as well. Their
     * order counts, not when they are told.
     *
     * @throws UnsupportedOperationException if the sequence was opened without a {@link PrefixRequest}
     */
    default void name(int... tokens) {
        throw new UnsupportedOperationException("the sequence was opened without a request");
    }

    /**
     * A second sequence with the same tokens on the same blocks; a block is copied before its first write if shared. A
     * cache that does not share copies everything at once.
     *
     * @throws KvCacheException.TooManySequences at the limit
     * @throws KvCacheException.OutOfMemory if a copy does not fit; nothing changed
     */
    KvSequence fork();

    /**
     * Forgets every token from position {@code length} on, as for rejected draft tokens. Tokens that were pruned
     * earlier stay pruned.
     *
     * @throws KvCacheException.OutOfMemory if V that must be resident again does not fit; nothing changed
     * @throws UnsupportedOperationException if tokens were evicted since in favour of those that are to be forgotten;
     *     {@code truncate(0)} is always possible
     */
    void truncate(int length);

    /**
     * Moves everything that this sequence holds in device memory to host memory, and frees it there. Until it is
     * resumed, the sequence cannot be stepped, forked or truncated; its lengths and positions can be asked for. What it
     * shares is copied once, however many of the sequences that share it are suspended, and stays for those that are
     * not.
     *
     * @return bytes copied to host memory
     * @throws KvCacheException.OutOfMemory if host memory is short; nothing changed
     * @throws UnsupportedOperationException if this cache does not move blocks
     */
    default long suspend() {
        throw new UnsupportedOperationException("this cache does not suspend sequences");
    }

    /**
     * Moves everything back. The sequence is as if it had never been suspended; what is in device memory already,
     * because another sequence shares it, is shared again.
     *
     * @return bytes copied to device memory
     * @throws KvCacheException.OutOfMemory if device memory is short; nothing changed
     * @throws IllegalStateException if it is not suspended
     */
    default long resume() {
        throw new IllegalStateException("the sequence is not suspended");
    }

    /** Whether it is suspended. */
    default boolean suspended() {
        return false;
    }

    /**
     * Bytes of the device blocks that it holds, shared ones included; while suspended, what {@link #resume} takes if
     * nothing is shared. 0 for a sequence without blocks.
     */
    default long deviceBytes() {
        return 0;
    }

    /** What value fetching did since the sequence was opened. */
    FetchReport fetchReport();

    /** What it did in one layer. */
    default FetchReport fetchReport(int layer) {
        return FetchReport.NONE;
    }

    /** What it did in one layer, one entry for each query head; empty for a cache that fetches nothing. */
    default List<HeadFetch> headFetches(int layer) {
        return List.of();
    }

    /** Gives every block back. A step that was begun and not committed is dropped. */
    @Override
    void close();
}
