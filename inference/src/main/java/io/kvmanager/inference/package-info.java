/** Models and the decode loop. */
@NullMarked
package io.kvmanager.inference;

import org.jspecify.annotations.NullMarked;
