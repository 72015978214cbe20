/**
 * The host device: off-heap memory, plain kernels and Vector API kernels. The one public type is
 * {@link io.kvmanager.kernels.HostDeviceProvider}, found by {@link java.util.ServiceLoader}.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>The plain kernels are the truth: complete, readable, and what every faster one is compared with.
 *   <li>A class that mentions a Vector type is touched only after the module {@code jdk.incubator.vector} was found.
 *   <li>Memory is reached through the slab's segment, never through a segment over all memory.
 *   <li>Scores, values and append allocate nothing once warm. One thread at a time calls the kernels of a device; the
 *       kernels share work among a {@link io.kvmanager.spi.WorkerGroup} inside, and no result depends on how many
 *       threads it has.
 * </ul>
 *
 * <p>Reading order: {@code HostDeviceProvider}, {@code HostDevice}, {@code BlockRows}, {@code KeyTiles},
 * {@code PlainKernels}, then {@code VectorKernels} and what it names.
 */
@NullMarked
package io.kvmanager.kernels;

import org.jspecify.annotations.NullMarked;
