package disclosure

import (
	"context"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
)

// shipped are the reasons of the rules the program comes with, which every reader has in
// his language. A reason an authority writes stays as it wrote it.
var shipped = map[string]string{
	"What says nothing about a person passes.":                                                                "plain",
	"Data protection by default (GDPR Art. 25(2)); to be verified.":                                           "default",
	"Call-back where a life depends on it (GDPR Art. 6(1)(d)); to be verified.":                               "callback",
	"Health data stay with who treats (GDPR Art. 9); the number is enough to send help; to be verified.":      "health",
	"Police data go by police law (Directive (EU) 2016/680); to be verified.":                                 "police",
	"No help needs it; to be verified.":                                                                       "needless",
	"The patient is what the message is about (GDPR Art. 9(2)(c) and (h)); a person decides; to be verified.": "patient",
	"Finds the rescue sheet of the vehicle; to be verified.":                                                  "vehicle",
	"A life is usually in danger; draft.":                                                                     "life",
}

// reasonText is why a rule is as it is, for the reader.
func reasonText(ctx context.Context, reason string) string {
	if key, ok := shipped[reason]; ok {
		return t(ctx, "disclosure.reason."+key)
	}
	if rule, ok := strings.CutSuffix(reason, "; to be verified."); ok {
		if rule, ok = strings.CutPrefix(rule, "As "); ok && !strings.Contains(rule, " ") {
			return web.T(ctx, "disclosure.reason.as", i18n.Args{"rule": rule})
		}
	}
	return reason
}
