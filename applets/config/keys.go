package config

import (
	"fmt"
	"reflect"

	"github.com/BurntSushi/toml"
)

// keyTypes returns the type of every key, by the key: that of a table is TABLE.KEY.
func keyTypes() map[string]reflect.Type {
	types := make(map[string]reflect.Type)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		key := field.Tag.Get("toml")
		types[key] = field.Type
		if field.Type.Kind() == reflect.Struct {
			for _, inner := range reflect.VisibleFields(field.Type) {
				types[key+"."+inner.Tag.Get("toml")] = inner.Type
			}
		}
	}
	return types
}

// checkTypes returns the first key of the file that is unknown or has a value of
// another type, and what is wrong with it. The library would accept a key in
// another case, and say of types only how they are called in Go.
func checkTypes(values map[string]any, meta toml.MetaData) (key string, err error) {
	types := keyTypes()
	for _, path := range meta.Keys() {
		key, value := path[0], values[path[0]]
		t, known := types[key]
		if table, ok := value.(map[string]any); ok && known && t.Kind() == reflect.Struct && len(path) > 1 {
			key, value = path[0]+"."+path[1], table[path[1]]
			t, known = types[key]
		}
		if !known {
			return key, fmt.Errorf("unknown key; the known ones are in chatmail.toml(5)")
		}
		if reflect.PointerTo(t).Implements(reflect.TypeFor[toml.Unmarshaler]()) {
			continue // it checks for itself
		}
		if !fits(value, t) {
			return key, fmt.Errorf("want %s, got %s", typeName(t), typeOrValue(value))
		}
	}
	return "", nil
}

func fits(value any, t reflect.Type) bool {
	switch value := value.(type) {
	case string:
		return t.Kind() == reflect.String
	case bool:
		return t.Kind() == reflect.Bool
	case int64:
		return t.Kind() == reflect.Int || t.Kind() == reflect.Float64
	case float64:
		return t.Kind() == reflect.Float64
	case []any:
		if t.Kind() != reflect.Slice {
			return false
		}
		for _, item := range value {
			if !fits(item, t.Elem()) {
				return false
			}
		}
		return true
	case map[string]any:
		return t.Kind() == reflect.Struct
	default: // a date, or several tables
		return false
	}
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "an integer"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list, each item " + typeName(t.Elem())
	case reflect.Struct:
		return "a table"
	default:
		return t.String()
	}
}

// typeOrValue shows a value on one line.
func typeOrValue(value any) string {
	switch value := value.(type) {
	case map[string]any, []map[string]any:
		return "a table"
	case []any:
		return fmt.Sprintf("a list of %d other values", len(value))
	case string:
		return fmt.Sprintf("%q", value)
	default:
		return fmt.Sprint(value)
	}
}
