/**
 * The arithmetic of a transformer outside attention: matrix products, RMSNorm, RoPE, SwiGLU, softmax.
 *
 * <p>Reading order: {@link io.kvmanager.inference.math.Matrix}, {@link io.kvmanager.inference.math.MatrixProduct}, then
 * the plain kernel, which is the truth the vector kernel is compared with.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>F32 in, F32 accumulation, F32 out; arrays are row-major and never alias unless a method says so.
 *   <li>A padded element is zero and never reaches a result.
 *   <li>Types of the incubating Vector API appear in one class, which is touched only where the module is present.
 *   <li>Nothing is null unless marked so.
 * </ul>
 */
@NullMarked
package io.kvmanager.inference.math;

import org.jspecify.annotations.NullMarked;
