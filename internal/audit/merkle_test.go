package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRootOfNothingAndOfRFC6962(t *testing.T) {
	t.Parallel()
	// The leaves and roots of the test vectors of Certificate Transparency.
	inputs := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"}
	var leaves [][hashSize]byte
	for n := 0; ; n++ {
		if got := rootHash(leaves); hex.EncodeToString(got[:]) != roots[n] {
			t.Errorf("of %d leaves: %x", n, got)
		}
		if n == len(inputs) {
			break
		}
		b, _ := hex.DecodeString(inputs[n])
		leaves = append(leaves, leafHash(b))
	}
}

// No other list of leaves has the root of a list.
func TestARootBelongsToOneList(t *testing.T) {
	t.Parallel()
	leaf := rapid.Custom(func(t *rapid.T) [hashSize]byte {
		return leafHash(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "content"))
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(leaf, 0, 40).Draw(t, "leaves")
		other := slices.Clone(list)
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			other = append(other, leaf.Draw(t, "more"))
		case 1:
			if len(other) > 0 {
				other = slices.Delete(other, 0, rapid.IntRange(1, len(other)).Draw(t, "fewer"))
			}
		case 2:
			slices.Reverse(other)
		case 3:
			if len(other) > 0 {
				other[rapid.IntRange(0, len(other)-1).Draw(t, "place")] = leaf.Draw(t, "another")
			}
		}
		if same, equal := slices.Equal(list, other), rootHash(list) == rootHash(other); same != equal {
			t.Fatalf("%d and %d leaves: same list %v, same root %v", len(list), len(other), same, equal)
		}
		// A node is no leaf.
		if len(list) == 2 && rootHash(list) == rootHash([][hashSize]byte{leafHash(append(list[0][:], list[1][:]...))}) {
			t.Fatal("an inner node passes for a leaf")
		}
	})
}

// What an erasure leaves does not change the leaf, and everything else does.
func TestALeafIsOfAllFields(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	full := func() entry {
		return entry{log: authLog, id: "1", at: time.Unix(5, 0), who: "7", actor: text("7"), ip: text("a"), action: "b", service: text("c"), status: text("d"),
			message: text("e"), agent: text("f"), facts: text(`{"ip":"a","x":[1.50,{"y":"z"}]}`), form: firstForm}
	}
	key := []byte("key")
	e := full()
	as := e.present(key)
	leaf := e.leaf(as, false)
	gone := full()
	gone.who, gone.actor, gone.ip, gone.agent, gone.facts = "", text("deleted"), nil, nil, text(`{"x": [1.5, {"y": "z"}]}`)
	if !gone.blank() || gone.leaf(sealedAs{pseudonymOf(key), as.person}, true) != leaf {
		t.Error("the erased row has another leaf")
	}
	for name, change := range map[string]func(*entry){
		"log": func(e *entry) { e.log = vaultLog }, "id": func(e *entry) { e.id = "2" }, "at": func(e *entry) { e.at = time.Unix(6, 0) },
		"who": func(e *entry) { e.who = "8" }, "actor": func(e *entry) { e.actor = nil }, "ip": func(e *entry) { e.ip = text("") }, "action": func(e *entry) { e.action = "" },
		"service": func(e *entry) { e.service = nil }, "status": func(e *entry) { e.status = nil }, "message": func(e *entry) { e.message = nil },
		"agent": func(e *entry) { e.agent = nil }, "facts": func(e *entry) { e.facts = text(`{"ip":"a","x":[1.51,{"y":"z"}]}`) },
		"facts ip": func(e *entry) { e.facts = text(`{"x":[1.50,{"y":"z"}]}`) }, "no facts": func(e *entry) { e.facts = nil },
		"form": func(e *entry) { e.form = newestForm },
	} {
		other := full()
		change(&other)
		if other.leaf(other.present(key), false) == leaf {
			t.Errorf("%s does not matter", name)
		}
	}
	if other := full(); other.leaf(other.present([]byte("other")), false) == leaf {
		t.Error("the key does not matter")
	}
}

func TestALeafOfFormTwoHoldsThePersonsFactsApart(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	full := func() entry {
		return entry{log: vaultLog, id: "1", at: time.Unix(5, 0), who: "7", action: "b", message: text("e"), facts: text(`{"ip":"a","name":"n","credentialId":7}`), form: newestForm}
	}
	key := []byte("key")
	e := full()
	as := e.present(key)
	leaf := e.leaf(as, false)
	if other := full(); other.under(firstForm).leaf(other.under(firstForm).present(key), false) == leaf {
		t.Error("the form does not matter")
	}
	for name, c := range map[string]struct {
		facts   string
		message *string
		same    bool
	}{
		"nothing else is left":     {`{"credentialId": 7.0}`, nil, true},
		"a fact that stays":        {`{"credentialId":8}`, nil, false},
		"no fact stays":            {`{}`, nil, false},
		"a name is there":          {`{"credentialId":7,"name":"n"}`, nil, false},
		"another name is there":    {`{"credentialId":7,"name":"m"}`, nil, false},
		"an error message":         {`{"credentialId":7}`, text("e"), false},
		"an empty error message":   {`{"credentialId":7}`, text(""), false},
		"a sentence under its key": {`{"credentialId":7,"purpose":"two words"}`, nil, false},
	} {
		gone := full()
		gone.who, gone.facts, gone.message = "", &c.facts, c.message
		if same := gone.blank() && gone.leaf(sealedAs{pseudonymOf(key), as.person}, true) == leaf; same != c.same {
			t.Errorf("%s: passes for the row: %v", name, same)
		}
	}
	for name, change := range map[string]func(*entry){
		"message": func(e *entry) { e.message = nil }, "name": func(e *entry) { e.facts = text(`{"ip":"a","name":"m","credentialId":7}`) },
		"id": func(e *entry) { e.facts = text(`{"ip":"a","name":"n","credentialId":8}`) }, "address": func(e *entry) { e.facts = text(`{"name":"n","credentialId":7}`) },
	} {
		other := full()
		change(&other)
		if other.leaf(other.present(key), false) == leaf {
			t.Errorf("%s does not matter", name)
		}
	}
}

// Leaves that are in seals already: how rows are sealed in a form does not change any more.
func TestLeavesOfAFormStay(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		form int16
		key  []byte
		leaf string
	}{{firstForm, []byte("key"), "8ab101ac0905dd69734827e287657af0267f5df9238aeb78d846e7dd10048488"}, {firstForm, nil, "8f7e63dde60d2ac580573dfab9b9102f591232fea656b93841dd062487a48dec"}, {newestForm, []byte("key"), "e59427b1aac61b9122e96701ea9a1157d813c496c111df115431086138016332"}, {newestForm, nil, "c46f1fc5d708dde0c62e4ffa2b73da7773ea6244055470e18cd21a05a69c78da"}} {
		e := entry{log: authLog, id: "1", at: time.Unix(5, 0), who: "7", actor: text("7"), ip: text("a"), action: "b", service: text("c"), status: text("d"),
			message: text("e"), agent: text("f"), facts: text(`{"ip":"a","x":[1.50,{"y":"z"}],"role":"user"}`), form: c.form}
		if leaf := e.leaf(e.present(c.key), false); hex.EncodeToString(leaf[:]) != c.leaf {
			t.Errorf("form %d, key %q: %x", c.form, c.key, leaf)
		}
	}
}

func TestNumbersAreOfTheirValue(t *testing.T) {
	t.Parallel()
	for _, same := range []string{"1 1.0 10e-1 0.1e1 1e0", "0 -0 0.0 0e9", "100 1e2 1E+2", "-1.5 -15e-1 -1.50"} {
		list := strings.Fields(same)
		for _, s := range list {
			if digits(s) != digits(list[0]) {
				t.Errorf("%s is %s, %s is %s", s, digits(s), list[0], digits(list[0]))
			}
		}
	}
	if digits("12") == digits("1.2") || digits("1") == digits("-1") || sha256.Size != hashSize {
		t.Error("different numbers are spelled alike")
	}
}
