// Package app puts the platform together: it reads the configuration file, opens
// the database, builds the modules and runs them until it is told to stop. It is
// the only package that knows all modules, and holds no behaviour of its own.
package app
