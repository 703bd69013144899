package ucri

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDeliveryStatus(t *testing.T) {
	const id = "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911"
	for _, d := range []DeliveryStatus{
		{RefMessageID: id, Destination: "1.2", StatusCode: Delivered},
		{RefMessageID: id, Destination: "1.2.", StatusCode: TimedOut, StatusMessage: "nikdo si zprávu nevyzvedl"},
		{RefMessageID: id, Destination: "1", StatusCode: Refused, Cause: &ErrorBody{Code: CodePayloadInvalid, Reason: "„x“ fehlt", Message: "\n"}, StatusMessage: strings.Repeat("🚑", 100)},
		{RefMessageID: id, Destination: "1", StatusCode: Refused, Cause: &ErrorBody{Code: -5, Reason: ""}},
	} {
		got, err := ParseDeliveryStatus(d.Payload())
		if diff := cmp.Diff(d, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	for name, p := range map[string]Payload{
		"464": {AppID: appTransport, AppVersion: "1.0", SchemaID: schemaDelivery, ContentType: ContentJSON, Data: `{}`},
		"465": {AppID: appTransport, AppVersion: "1.0", SchemaID: schemaDelivery, ContentType: ContentJSON, Data: `{`},
		"463": AvailabilityUpdate{ID: "1", Status: StatusOnline}.Payload(),
		"461": {},
	} {
		if _, err := ParseDeliveryStatus(p); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStatusMessageIsCut lets no status message over the limit, whatever a
// foreign node's reason is made of, and never halves a character.
func TestStatusMessageIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringN(0, 300, -1).Draw(t, "text")
		d := DeliveryStatus{RefMessageID: "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", Destination: "1", StatusCode: Refused, StatusMessage: s}
		got, err := ParseDeliveryStatus(d.Payload())
		if err != nil {
			t.Fatal(err)
		}
		if n := utf8.RuneCountInString(got.StatusMessage); n != min(utf8.RuneCountInString(s), 100) || !strings.HasPrefix(s, got.StatusMessage) {
			t.Fatalf("%d characters of %q", n, s)
		}
	})
	long := DeliveryStatus{RefMessageID: "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", Destination: "1", StatusCode: Refused, StatusMessage: strings.Repeat("\xff\xc5", 500)}
	if _, err := ParseDeliveryStatus(long.Payload()); err != nil {
		t.Errorf("invalid UTF-8: %v", err)
	}
}

func TestAvailabilityUpdate(t *testing.T) {
	for _, status := range []string{StatusOnline, StatusOffline, StatusUnknown} {
		a := AvailabilityUpdate{ID: "1.2.616.3", Status: status}
		if got, err := ParseAvailabilityUpdate(a.Payload()); err != nil || got != a {
			t.Errorf("%+v %v", got, err)
		}
	}
	if _, err := ParseAvailabilityUpdate(AvailabilityUpdate{ID: "1", Status: "off"}.Payload()); err == nil || err.Code != CodePayloadInvalid {
		t.Errorf("%v", err)
	}
	if _, err := ParseAvailabilityUpdate(DeliveryStatus{}.Payload()); err == nil || err.Code != CodeUnknownSchema {
		t.Errorf("%v", err)
	}
}

func FuzzParseTransportMessages(f *testing.F) {
	f.Add(DeliveryStatus{RefMessageID: "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", Destination: "1", StatusCode: Refused, Cause: &ErrorBody{Code: 464}}.Payload().Data)
	f.Add(AvailabilityUpdate{ID: "1", Status: "online"}.Payload().Data)
	f.Fuzz(func(t *testing.T, data string) {
		p := DeliveryStatus{}.Payload()
		p.Data = data
		if d, err := ParseDeliveryStatus(p); err == nil {
			if again, err := ParseDeliveryStatus(d.Payload()); err != nil || cmp.Diff(d, again) != "" {
				t.Errorf("%v %+v", err, d)
			}
		}
		p = AvailabilityUpdate{}.Payload()
		p.Data = data
		if a, err := ParseAvailabilityUpdate(p); err == nil {
			if again, err := ParseAvailabilityUpdate(a.Payload()); err != nil || a != again {
				t.Errorf("%v %+v", err, a)
			}
		}
	})
}
