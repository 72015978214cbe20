/** The command line. */
@NullMarked
package io.kvmanager.inference.cli;

import org.jspecify.annotations.NullMarked;
