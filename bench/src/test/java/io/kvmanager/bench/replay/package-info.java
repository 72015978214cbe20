/** Tests of the replay. */
@NullMarked
package io.kvmanager.bench.replay;

import org.jspecify.annotations.NullMarked;
