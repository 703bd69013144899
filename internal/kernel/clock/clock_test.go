package clock_test

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/kernel/clock"
)

var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestSystemNow(t *testing.T) {
	c := clock.System()
	before := time.Now().Truncate(clock.Precision)
	now := c.Now()
	if now.Before(before) || now.After(time.Now()) {
		t.Errorf("Now() = %v, not between the two readings around it", now)
	}
	if now.Location() != time.UTC {
		t.Errorf("Now() is in %v, want UTC", now.Location())
	}
	if !now.Equal(time.UnixMilli(now.UnixMilli())) {
		t.Errorf("Now() = %v does not survive storage as milliseconds", now)
	}
}

func TestFakeMovesOnlyByAdvance(t *testing.T) {
	start := time.Date(2026, 8, 15, 14, 6, 24, 123_456_789, time.FixedZone("CEST", 7200))
	c := clock.Fake(start)
	want := time.Date(2026, 8, 15, 12, 6, 24, 123_000_000, time.UTC)
	for range 3 {
		if got := c.Now(); got != want {
			t.Fatalf("Now() = %v, want %v", got, want)
		}
	}
	c.Advance(90 * time.Second)
	if got := c.Now(); got != want.Add(90*time.Second) {
		t.Errorf("after Advance: %v", got)
	}
}

func TestAdvanceOnSystemPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Advance on the system clock did not panic")
		}
	}()
	clock.System().Advance(time.Second)
}

func TestNewIDIsUniqueAndWellFormed(t *testing.T) {
	for name, c := range map[string]*clock.Clock{"system": clock.System(), "fake": clock.Fake(time.Unix(0, 0))} {
		t.Run(name, func(t *testing.T) {
			const workers, each = 4, 1000
			ids := make(chan string, workers*each)
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for range each {
						ids <- c.NewID()
					}
				})
			}
			wg.Wait()
			close(ids)
			seen := map[string]bool{}
			for id := range ids {
				if !uuid7.MatchString(id) {
					t.Fatalf("%q is not a UUID of version 7", id)
				}
				if seen[id] {
					t.Fatalf("%q came twice", id)
				}
				seen[id] = true
			}
		})
	}
}

func TestFakeIDsRepeatInEveryRun(t *testing.T) {
	c := clock.Fake(time.Unix(0, 0))
	for _, want := range []string{"00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"} {
		if got := c.NewID(); got != want {
			t.Errorf("NewID() = %s, want %s", got, want)
		}
	}
}
