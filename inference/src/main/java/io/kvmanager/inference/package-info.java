/**
 * The engine: a forward pass that reads like the paper, a decode loop, a sampler, teacher-forced scoring. Of the KV
 * cache it knows {@link io.kvmanager.KvSequence} and nothing else, so every cache policy runs under the same engine.
 *
 * <p>Reading order: {@link io.kvmanager.inference.DecodeLoop}, {@link io.kvmanager.inference.Transformer},
 * {@link io.kvmanager.inference.DecodeState}, {@link io.kvmanager.inference.Sampler},
 * {@link io.kvmanager.inference.Scoring}; then package {@code model} for the files and {@code math} for the products.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>Activations are F32, row-major, {@code [rows][elements]}; every buffer says its shape.
 *   <li>A token's position is its index in the sequence, pruned tokens counted; RoPE uses it and nothing else.
 *   <li>A {@link io.kvmanager.inference.DecodeState} owns every buffer of a forward pass and belongs to one thread at a
 *       time; a decode step allocates nothing. Logits live in the state and are overwritten by the next step.
 *   <li>Whoever opens a sequence or a state closes it; nothing here closes what it was given.
 *   <li>Nothing is null unless marked so.
 * </ul>
 */
@NullMarked
package io.kvmanager.inference;

import org.jspecify.annotations.NullMarked;
