/**
 * What a model's files hold: configuration, weights, tokenizer, and the retention profile measured for it.
 *
 * <p>Reading order: {@link io.kvmanager.inference.model.Model}, {@link io.kvmanager.inference.model.ModelConfig},
 * {@link io.kvmanager.inference.model.ModelWeights}, {@link io.kvmanager.inference.model.Tokenizer}, then the readers.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>Everything is immutable once read and may be shared between threads.
 *   <li>A file is either read completely and checked, or refused with one
 *       {@link io.kvmanager.inference.model.ModelFormatException} line that names the file, what is wrong with it, and
 *       what is accepted.
 *   <li>Weights are widened to F32 when read; no file stays mapped or open.
 *   <li>Nothing is null unless marked so.
 * </ul>
 */
@NullMarked
package io.kvmanager.inference.model;

import org.jspecify.annotations.NullMarked;
