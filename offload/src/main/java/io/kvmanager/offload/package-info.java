/**
 * V's home in host memory, and the choice of the value tiles that a step brings back (KCache, arXiv 2404.18057).
 *
 * <p>Reading order: {@code HostValueTier} (one attention), {@code ValueSelector} (which tiles), {@code Certificate}
 * (how far the output can be off, and which tiles that asks for), {@code TileKeys} (the partial selection behind
 * both), {@code TileCache} (which of them are already in device memory),
 * {@code HostStore} (homes). {@link io.kvmanager.offload.HostValueTierProvider} is the door.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>A home is one block's place in host memory and an index below the number of homes. It is free, or it is
 *       used and has references; nothing is in between. What is reserved is a count of free homes, not
 *       particular ones.
 *   <li>A home's bytes are written once, when it is stored, and never change while it has a reference. So a
 *       fetched tile cannot become outdated; it can only outlive its home, and therefore leaves the tile cache
 *       when the home is freed.
 *   <li>A tile is in at most one tile slot and a tile slot holds at most one tile; both directions are recorded,
 *       and they are recorded only once the tile's bytes are in place.
 *   <li>A tile slot that a step has listed is not given to another tile before the next step begins.
 *   <li>The device owns all memory; nothing here gives any back. The tile cache's blocks are its own from open
 *       to close, and nobody else writes them.
 *   <li>One thread at a time. Copies go through {@link io.kvmanager.spi.AttentionKernels}, in whose order they
 *       happen: a tile is in place for every kernel that is called later.
 *   <li>A step allocates nothing once its scratch has the workspace's size.
 *   <li>Misuse throws and changes nothing: a double release, a free home, a home out of range. Nothing is
 *       clamped.
 * </ul>
 */
@NullMarked
package io.kvmanager.offload;

import org.jspecify.annotations.NullMarked;
