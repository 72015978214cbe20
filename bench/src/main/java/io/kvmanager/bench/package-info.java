/** Benchmarks as programs with evidence. */
@NullMarked
package io.kvmanager.bench;

import org.jspecify.annotations.NullMarked;
