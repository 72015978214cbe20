/**
 * The CUDA device, on the driver's API alone. The one public type is {@link
 * io.kvmanager.kernels.cuda.CudaDeviceProvider}.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>No JCuda class is touched before {@code DriverProbe} has found a driver and JCuda's library.
 *   <li>Every result of the driver is checked. A call that frees only logs, and frees the rest. An error that ends the
 *       context is remembered, and every later entry throws it.
 *   <li>What is taken from the driver has one owner, and goes before the device does.
 *   <li>A kernel is launched, never waited for. Only reading to the host, handing an engine its rows in host memory,
 *       and {@code synchronize} wait.
 *   <li>Launches take effect in the order of the calls, and so do table entries: those that were set go ahead of the
 *       next launch, in its parameters.
 *   <li>Blocks that are stored or loaded wait until something is launched, and then go together.
 *   <li>A copy to a home starts behind what produced the block; whatever overwrites blocks or reads homes waits for it.
 *   <li>A captured step contains kernels only. Counts and tables are read when it runs.
 *   <li>Launching allocates nothing on the heap.
 *   <li>One thread at a time; any thread.
 * </ul>
 *
 * <p>Reading order: {@code CudaDeviceProvider}, {@code CudaDevice}, {@code CudaContext}, {@code Kernel}, {@code
 * CudaKernels}, {@code DecodeKernels}, {@code CudaTileResidency}; the kernels are in {@code src/main/cuda}.
 */
@NullMarked
package io.kvmanager.kernels.cuda;

import org.jspecify.annotations.NullMarked;
