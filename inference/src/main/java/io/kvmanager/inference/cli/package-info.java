/**
 * The command line. Reading order: {@link io.kvmanager.inference.cli.Kv}, then a command such as
 * {@link io.kvmanager.inference.cli.GenerateCommand}.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>What was asked for goes to standard output, everything else to standard error. Progress and colour only where a
 *       terminal shows them.
 *   <li>Bad input is one line that names the flag or file, the value, and what is accepted; the status is 2 and nothing
 *       is written. Whatever else goes wrong is one line with status 1.
 *   <li>Flags are checked before work starts, files that will be written among them. Files appear whole or not at all.
 *   <li>Commands write through {@link io.kvmanager.inference.cli.Console}, never to the process's own streams.
 * </ul>
 */
@NullMarked
package io.kvmanager.inference.cli;

import org.jspecify.annotations.NullMarked;
