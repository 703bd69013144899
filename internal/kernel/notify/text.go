package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"trojmezi/internal/kernel/i18n"
)

// Text is a text that is written later, in a language that is not known yet.
// Arguments are strings, whole numbers, float64, time.Time, time.Duration or a
// Text: a reason, a place, the text of what is over.
type Text struct {
	Key  string
	Args i18n.Args
}

// In writes the text in a language.
func (t Text) In(b *i18n.Bundle, l i18n.Lang) string {
	args := make(i18n.Args, len(t.Args))
	for name, v := range t.Args {
		if inner, ok := v.(Text); ok {
			v = inner.In(b, l)
		}
		args[name] = v
	}
	return b.Text(l, t.Key, args)
}

// value is an argument with its type: what comes back from the database must be
// written as what went in.
type value struct {
	Text     *string  `json:"text,omitempty"`
	Number   *int64   `json:"number,omitempty"`
	Decimal  *float64 `json:"decimal,omitempty"`
	Time     *int64   `json:"time,omitempty"`     // unix milliseconds
	Duration *int64   `json:"duration,omitempty"` // nanoseconds
	Inner    *Text    `json:"inner,omitempty"`
}

type stored struct {
	Key  string           `json:"key"`
	Args map[string]value `json:"args,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (t Text) MarshalJSON() ([]byte, error) {
	s := stored{Key: t.Key, Args: map[string]value{}}
	for name, v := range t.Args {
		var out value
		switch v := v.(type) {
		case string:
			out.Text = &v
		case int:
			out.Number = new(int64(v))
		case int64:
			out.Number = &v
		case float64:
			out.Decimal = &v
		case time.Time:
			out.Time = new(v.UnixMilli())
		case time.Duration:
			out.Duration = new(int64(v))
		case Text:
			out.Inner = &v
		default:
			return nil, fmt.Errorf("notify: argument %s of %s is a %T", name, t.Key, v)
		}
		s.Args[name] = out
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(raw []byte) error {
	var s stored
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	*t = Text{Key: s.Key}
	if len(s.Args) > 0 {
		t.Args = i18n.Args{}
	}
	for name, v := range s.Args {
		switch {
		case v.Text != nil:
			t.Args[name] = *v.Text
		case v.Number != nil:
			t.Args[name] = *v.Number
		case v.Decimal != nil:
			t.Args[name] = *v.Decimal
		case v.Time != nil:
			t.Args[name] = time.UnixMilli(*v.Time).UTC()
		case v.Duration != nil:
			t.Args[name] = time.Duration(*v.Duration)
		case v.Inner != nil:
			t.Args[name] = *v.Inner
		default:
			return fmt.Errorf("notify: argument %s of %s has no value", name, s.Key)
		}
	}
	return nil
}
