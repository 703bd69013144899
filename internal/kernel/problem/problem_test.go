package problem_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

func TestKindOf(t *testing.T) {
	forbidden := problem.New("access.Can", problem.Forbidden, "access.forbidden", nil)
	tests := []struct {
		name string
		err  error
		want problem.Kind
	}{
		{"unclassified", io.EOF, problem.Internal},
		{"direct", forbidden, problem.Forbidden},
		{"wrapped", problem.Wrap("b", problem.Wrap("a", forbidden)), problem.Forbidden},
		{"wrapped by others", fmt.Errorf("x: %w", forbidden), problem.Forbidden},
		{"joined", errors.Join(io.EOF, forbidden), problem.Forbidden},
		{"outermost wins", &problem.Error{Op: "load", Kind: problem.NotFound, Err: forbidden}, problem.NotFound},
		{"zero value", &problem.Error{}, problem.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := problem.KindOf(tt.err); got != tt.want {
				t.Errorf("KindOf(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

func TestWrapNil(t *testing.T) {
	if err := problem.Wrap("op", nil); err != nil {
		t.Errorf("Wrap of nil = %v", err)
	}
}

func TestErrorTextIsForTheLog(t *testing.T) {
	err := &problem.Error{
		Op: "exchange.Send", Kind: problem.Invalid, Key: "exchange.bad_phone",
		Args: i18n.Args{"phone": "+420 000 000 000"}, Err: io.ErrUnexpectedEOF,
	}
	const want = "exchange.Send: invalid (exchange.bad_phone): unexpected EOF"
	if got := err.Error(); got != want {
		t.Errorf("Error() = %q, want %q (without the arguments)", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is not reachable through Unwrap")
	}
	const wrapped = "job.run: " + want
	if got := problem.Wrap("job.run", err).Error(); got != wrapped {
		t.Errorf("Wrap: %q, want %q", got, wrapped)
	}
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := problem.Internal; k <= problem.Unavailable; k++ {
		if k.String() == "" || seen[k.String()] {
			t.Errorf("kind %d has no name of its own: %q", k, k)
		}
		seen[k.String()] = true
	}
	if got := problem.Kind(200).String(); got != "kind(200)" {
		t.Errorf("unknown kind: %q", got)
	}
}
