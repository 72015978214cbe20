/**
 * Cache backends on blocks, and the index of cached prefixes. The doors are
 * {@link io.kvmanager.paging.PagedBackendProvider} and {@link io.kvmanager.paging.MetadataPrefixCacheProvider}.
 *
 * <p>Reading order: {@code PagedBackend}, {@code BlockPool}, {@code LayerShape}, {@code LayerBlocks},
 * {@code PagedSequence}, {@code LayerAttention}, {@code PyramidSchedule}, {@code PivotalContext}; then
 * {@code Footprint} and {@code PagedPlan}; {@code ContiguousBackend} stands apart, and so do the published policies:
 * {@code SlotBudget}, {@code BudgetLayer}, {@code BudgetSequence}, {@code SlotVotes}, {@code PageBounds}. For prefixes:
 * {@code BlockIdentity}, {@code PrefixIndex}, {@code PrefixLease}, {@code PrefixSharing}, {@code SpanTree},
 * {@code SequencePrefix}, {@code EvictionOrder}, {@code RecencyOrder}, {@code HitDensityOrder}, {@code ReturnTimes}.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>A block is free, or held by as many owners as it has references; owners are the tables of open sequences and
 *       the tile cache. Who writes to a block is its only owner.
 *   <li>A step allocates only from what it reserved at its start, so it cannot fail half way.
 *   <li>K and V of one slot always have the same logical index; pruning moves both.
 *   <li>What is settled never moves again, so its V may be copied away and dropped.
 *   <li>A cached prefix is held by leases; what no lease holds is in the eviction order, and goes descendants first.
 *   <li>Full blocks are shared by identity, a part of one by copy; in a copy, slots behind the part read as zero.
 *   <li>Everything below the public methods of {@code PagedSequence} and {@code PagedBackend} runs under the backend's
 *       lock.
 * </ul>
 */
@NullMarked
package io.kvmanager.paging;

import org.jspecify.annotations.NullMarked;
