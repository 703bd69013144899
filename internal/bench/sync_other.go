//go:build !linux

package bench

import "os"

// syncData: the portable call also writes the file's times.
func syncData(f *os.File) error { return f.Sync() }
