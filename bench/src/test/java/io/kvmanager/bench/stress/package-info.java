/** Tests of the stress runs. */
@NullMarked
package io.kvmanager.bench.stress;

import org.jspecify.annotations.NullMarked;
