/**
 * What a cache costs and what it loses, measured against {@code full}: {@link
 * io.kvmanager.inference.evaluation.Comparison} runs caches over windows of text and over recall questions; {@link
 * io.kvmanager.inference.evaluation.Calibration} measures how much each layer of a model may forget.
 *
 * <p>Perplexity of prose hardly sees a forgotten token; a question about it does. So both are always measured. Every
 * choice of text and question follows from a seed. One thread at a time.
 */
@NullMarked
package io.kvmanager.inference.evaluation;

import org.jspecify.annotations.NullMarked;
