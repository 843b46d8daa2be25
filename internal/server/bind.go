package server

import (
	"bytes"
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"turkey/internal/fault"
	"turkey/internal/wire"
)

// validator is what a body implements to check rules that its types cannot say. Fields that had no usable value are
// dropped from the result.
type validator interface{ Validate() []fault.Field }

// maxDepth bounds the nesting of bodies whose type is recursive.
const maxDepth = 32

var (
	jsonType = reflect.TypeFor[json.Unmarshaler]()
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType = reflect.TypeFor[time.Time]()
	byteType = reflect.TypeFor[[]byte]()
)

var errMalformed = fault.New(fault.Invalid, "bad_request", "Malformed JSON body")

// unmarshalBody decodes a JSON body into v, a pointer, and reports every field that is missing or has the wrong type at
// once, then every rule of v's Validate. The error is a wireFault: huma flattens errors of decoders to their text.
func unmarshalBody(data []byte, v any) error {
	if f := bindBody(data, v); f != nil {
		return wireFault{f}
	}
	return nil
}

func bindBody(data []byte, v any) *fault.Error {
	data = bytes.TrimSpace(data)
	target := reflect.ValueOf(v).Elem()
	if !json.Valid(data) || !fitsBody(target.Type(), data) {
		return errMalformed
	}
	var b binding
	b.value(target, data, "", false, 0)
	if b.tooDeep {
		return errMalformed
	}
	if rules, ok := v.(validator); ok {
		b.validate(rules)
	} else if rules, ok := target.Interface().(validator); ok && !isNil(target) {
		b.validate(rules)
	}
	if len(b.fields) > 0 {
		return invalid(b.fields...)
	}
	return nil
}

// fitsBody reports whether a whole body has the shape its type needs; a body of any other shape is malformed.
func fitsBody(t reflect.Type, data []byte) bool {
	for t.Kind() == reflect.Pointer && !decodesItself(t) {
		t = t.Elem()
	}
	if decodesItself(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return data[0] == '{'
	case reflect.Slice, reflect.Array:
		return data[0] == '['
	default:
		return true
	}
}

func isNil(v reflect.Value) bool { return v.Kind() == reflect.Pointer && v.IsNil() }

// binding collects the broken rules of one body.
type binding struct {
	fields  []fault.Field
	tooDeep bool
}

// maxComplaints bounds what is said of one body: a list of 200,000 wrong elements would be answered with 50 times its size.
const maxComplaints = 100

func (b *binding) full() bool { return len(b.fields) >= maxComplaints }

func (b *binding) add(name, message, code, received string) {
	if b.full() {
		return
	}
	b.fields = append(b.fields, fault.Field{Name: name, Message: message, Code: code, Received: received})
}

func (b *binding) validate(rules validator) {
	broken := slices.Clone(b.fields)
	for _, field := range rules.Validate() {
		if b.full() {
			return
		}
		if !slices.ContainsFunc(broken, func(f fault.Field) bool {
			return f.Name == field.Name || f.Name == "" || strings.HasPrefix(field.Name, f.Name+".")
		}) {
			b.fields = append(b.fields, field)
		}
	}
}

// value decodes valid JSON into v. nullable lets null stand for a nil pointer.
func (b *binding) value(v reflect.Value, raw json.RawMessage, name string, nullable bool, depth int) {
	if depth > maxDepth {
		b.tooDeep = true
		return
	}
	t := v.Type()
	got := kindOf(raw)
	switch {
	case decodesItself(t):
		if unmarshalItself(v, raw) != nil {
			b.add(name, "Invalid value", "invalid_type", got)
		}
	case got == "null" && nullable:
		v.SetZero()
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		b.value(v.Elem(), raw, name, false, depth+1)
	case got != expects(t):
		b.add(name, "Expected "+expects(t)+", received "+got, "invalid_type", got)
	case isText(t), t == byteType:
		if json.Unmarshal(raw, v.Addr().Interface()) != nil {
			b.add(name, "Invalid value", "invalid_string", "")
		}
	case t.Kind() == reflect.Struct:
		b.members(v, maps.Collect(wire.Members(raw)), name, depth)
	case t.Kind() == reflect.Map:
		b.entries(v, raw, name, depth)
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		b.elements(v, raw, name, depth)
	default:
		b.scalar(v, raw, name)
	}
}

// unmarshalItself spares a type with a method of its own that its JSON, which is valid, is looked through twice more.
func unmarshalItself(v reflect.Value, raw json.RawMessage) error {
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		return u.UnmarshalJSON(raw)
	}
	return json.Unmarshal(raw, v.Addr().Interface())
}

func (b *binding) scalar(v reflect.Value, raw json.RawMessage, name string) {
	if v.Kind() == reflect.String {
		if text, err := wire.Text(raw); err == nil {
			v.SetString(text)
			return
		}
	}
	if json.Unmarshal(raw, v.Addr().Interface()) == nil {
		return
	}
	if v.CanInt() || v.CanUint() {
		if bytes.ContainsAny(raw, ".eE") {
			b.add(name, "Expected integer, received float", "invalid_type", "float")
			return
		}
		if v.CanUint() && raw[0] == '-' {
			b.add(name, "Number must be greater than or equal to 0", "too_small", "")
			return
		}
	}
	b.add(name, "Number is out of range", "too_big", "")
}

func (b *binding) members(v reflect.Value, members map[string]json.RawMessage, prefix string, depth int) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !decodesItself(f.Type) {
			b.members(v.Field(i), members, prefix, depth)
			continue
		}
		if !f.IsExported() || tagged && tag == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		full := name
		if prefix != "" {
			full = prefix + "." + name
		}
		raw, sent := members[name]
		if sent {
			b.value(v.Field(i), raw, full, f.Tag.Get("nullable") == "true", depth+1)
		} else if required(f, options) {
			b.add(full, "Required", "invalid_type", "undefined")
		}
	}
}

// required follows huma's schema: everything is, except omitempty and omitzero, and the required tag has the last word.
//
// A field tagged missing:"handler" is required in the documentation, while its absence is for the handler to tell, where
// the contract has words of its own for it.
func required(f reflect.StructField, options string) bool {
	if f.Tag.Get("missing") == "handler" {
		return false
	}
	if says, ok := f.Tag.Lookup("required"); ok {
		return says == "true"
	}
	return !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")
}

// entries names a broken entry after the map: its key is the client's text.
func (b *binding) entries(v reflect.Value, raw json.RawMessage, name string, depth int) {
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		if json.Unmarshal(raw, v.Addr().Interface()) != nil {
			b.add(name, "Invalid value", "invalid_type", "object")
		}
		return
	}
	members := maps.Collect(wire.Members(raw))
	out := reflect.MakeMapWithSize(t, len(members))
	before := len(b.fields)
	for key, member := range members {
		item := reflect.New(t.Elem()).Elem()
		b.value(item, member, name, false, depth+1)
		if len(b.fields) > before {
			b.fields = b.fields[:before+1] // one complaint, whatever the order of the keys
			return
		}
		out.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), item)
	}
	v.Set(out)
}

func (b *binding) elements(v reflect.Value, raw json.RawMessage, name string, depth int) {
	items := slices.Collect(wire.Elements(raw))
	out := v
	if v.Kind() == reflect.Slice {
		out = reflect.MakeSlice(v.Type(), len(items), len(items))
	} else if len(items) != v.Len() {
		b.add(name, "Expected "+strconv.Itoa(v.Len())+" elements", "invalid_type", "array")
		return
	}
	for i, item := range items {
		if b.full() {
			return
		}
		element := strconv.Itoa(i)
		if name != "" {
			element = name + "." + element
		}
		b.value(out.Index(i), item, element, false, depth+1)
	}
	if v.Kind() == reflect.Slice {
		v.Set(out)
	}
}

// decodesItself is true for types that read any JSON: json.Unmarshaler (json.RawMessage too) and interfaces. time.Time is
// an exception: it takes null for "leave as it is".
func decodesItself(t reflect.Type) bool {
	return t != timeType && (t.Kind() == reflect.Interface || t.Implements(jsonType) || reflect.PointerTo(t).Implements(jsonType)) &&
		(t.Kind() != reflect.Pointer || t.Elem() != timeType)
}

// isText is true for types that read a JSON string: uuid.UUID, time.Time.
func isText(t reflect.Type) bool {
	return t == timeType || reflect.PointerTo(t).Implements(textType)
}

// expects names the JSON type that a Go type is read from.
func expects(t reflect.Type) string {
	if isText(t) || t == byteType {
		return "string"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice, reflect.Array:
		return "array"
	default:
		return "number"
	}
}

// kindOf names the type of a valid JSON value.
func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// wireFault carries a fault through huma, which keeps nothing of a decoder's error but its text (parseBodyInto). A fault
// of this file has no cause and no details.
type wireFault struct{ fault *fault.Error }

const wireMark = "turkey fault "

func (e wireFault) Error() string {
	text, err := json.Marshal(e.fault)
	if err != nil {
		return "unencodable fault"
	}
	return wireMark + string(text)
}

func decodeFault(text string) (*fault.Error, bool) {
	encoded, ok := strings.CutPrefix(text, wireMark)
	if !ok {
		return nil, false
	}
	f := new(fault.Error)
	if err := json.Unmarshal([]byte(encoded), f); err != nil {
		return nil, false
	}
	return f, true
}
