package departure_test

import (
	"testing"

	"wedata-unbind/internal/departure"
)

func TestMaskTellsNobody(t *testing.T) {
	for uid, want := range map[string]string{
		"":                    "",
		"E1":                  "***",
		"E100":                "***",
		"E1001":               "E***1",
		"13800138000":         "1***0",
		"someone@example.com": "s***m",
		"欧阳修文忠":               "欧***忠",
	} {
		if got := departure.Mask(uid); got != want {
			t.Errorf("Mask(%q) = %q, want %q", uid, got, want)
		}
	}
}

func TestHashIsTheBeginningOfSHA256(t *testing.T) {
	// printf E1001 | sha256sum
	if got, want := departure.Hash("E1001"), "69050a418734442c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := departure.Hash(""); got != "" {
		t.Errorf("nobody has the hash %s", got)
	}
}
