package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"time"
)

// repeatLimit is the longest run of bytes that is written out in a description.
const repeatLimit = 64

// describe turns a value into plain JSON that says everything about it:
//
//	[]byte    null, {"hex": "…"} or {"repeat": "hex of one byte", "count": n}
//	string    the text, or {"repeat": "text of one rune", "count": n}
//	integers  a decimal string, as they may not fit into a double
//	time      {"unix": "seconds", "nanos": n, "offset": seconds or null for UTC}
//	struct    an object of its fields; an embedded struct's fields are among them
//	slice     null or an array
func describe(value any) any {
	return describeValue(reflect.ValueOf(value))
}

func describeValue(v reflect.Value) any {
	if t, ok := v.Interface().(time.Time); ok {
		return describeTime(t)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return describeValue(v.Elem())
	case reflect.Struct:
		fields := map[string]any{}
		describeFields(v, fields)
		return fields
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return describeBytes(v.Bytes())
		}
		elements := []any{}
		for i := 0; i < v.Len(); i++ {
			elements = append(elements, describeValue(v.Index(i)))
		}
		return elements
	case reflect.String:
		return describeString(v.String())
	case reflect.Bool:
		return v.Bool()
	default:
		return fmt.Sprint(v.Interface())
	}
}

func describeFields(v reflect.Value, into map[string]any) {
	for i := 0; i < v.NumField(); i++ {
		field := v.Type().Field(i)
		if field.Anonymous {
			describeFields(v.Field(i), into)
			continue
		}
		// Log types and suffrages print as words; the number is what counts here.
		switch f := v.Field(i); {
		case f.CanUint():
			into[field.Name] = fmt.Sprint(f.Uint())
		case f.CanInt():
			into[field.Name] = fmt.Sprint(f.Int())
		default:
			into[field.Name] = describeValue(f)
		}
	}
}

func describeBytes(b []byte) any {
	if len(b) > repeatLimit && bytes.Count(b, b[:1]) == len(b) {
		return map[string]any{"repeat": hex.EncodeToString(b[:1]), "count": len(b)}
	}
	return map[string]any{"hex": hex.EncodeToString(b)}
}

func describeString(s string) any {
	if len(s) > repeatLimit {
		return map[string]any{"repeat": s[:1], "count": len(s)}
	}
	return s
}

func describeTime(t time.Time) any {
	out := map[string]any{"unix": fmt.Sprint(t.Unix()), "nanos": t.Nanosecond(), "offset": nil}
	if t.Location() != time.UTC {
		_, offset := t.Zone()
		out["offset"] = offset
	}
	return out
}
