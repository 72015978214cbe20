/** Tests of the benchmarks that are commands. */
@NullMarked
package io.kvmanager.bench;

import org.jspecify.annotations.NullMarked;
