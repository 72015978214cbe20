/**
 * What back ends implement: a cache backend (paging), a device with its kernels (kernels), a value tier (offload). All
 * are found through {@link java.util.ServiceLoader} and chosen by {@link io.kvmanager.spi.ProviderSelection}.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>A {@link io.kvmanager.spi.Device} is opened per cache and owns all memory of the cache; it gives it back at
 *       close and not before. Segments are views and own nothing.
 *   <li>Kernels hold no state of a sequence and allocate nothing; they are called by one thread at a time per device
 *       and may use more threads inside.
 *   <li>A block id is an index into a cache's slab; a home is an index into the host tier's store. Both are
 *       {@code int}, and no method takes one for the other; {@link io.kvmanager.spi.BlockTables#ABSENT} is neither.
 * </ul>
 */
@NullMarked
package io.kvmanager.spi;

import org.jspecify.annotations.NullMarked;
