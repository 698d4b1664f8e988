// Command copyright writes the Debian copyright file of a binary: the licenses of all Go modules that
// are linked in, from the module cache. It fails if a module has no license that it knows, so that
// nothing is shipped without its terms.
package main
