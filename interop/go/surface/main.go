// Command surface completes the list of what hashicorp/raft exports by what Go itself knows of it:
// the signature of each function, method, field and type, the value of each constant, the text of
// each error. It fails when the list lacks a name or has one too many, so that the list is the whole
// of the package. What else an entry says, such as our name for it, is left as it is.
//
//	go run . ../../../testing/surface/api-surface.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	_ "github.com/hashicorp/raft" // Whose source is read.
)

const raft = "github.com/hashicorp/raft"

// An entry is one exported name. Only the first part is written by this program.
type entry struct {
	Go        string   `json:"go"`
	Signature string   `json:"signature,omitempty"`
	Value     *int64   `json:"value,omitempty"`
	Text      string   `json:"text,omitempty"`
	Kind      string   `json:"kind,omitempty"`
	Embeds    []string `json:"embeds,omitempty"`

	Name       string `json:"name"`
	From       string `json:"from,omitempty"`
	Arguments  *int   `json:"arguments,omitempty"`
	Type       string `json:"type,omitempty"`
	Difference string `json:"difference,omitempty"`

	Methods []*entry `json:"methods,omitempty"`
	Fields  []*entry `json:"fields,omitempty"`
}

type surface struct {
	Source    string   `json:"source"`
	Functions []*entry `json:"functions"`
	Errors    []*entry `json:"errors"`
	Constants []*entry `json:"constants"`
	Types     []*entry `json:"types"`
}

// A source is the package as Go's type checker sees it.
type source struct {
	*types.Package
	// errorTexts has what each errors.New of a package-level variable says.
	errorTexts map[string]string
}

func load() (source, error) {
	found, err := build.Import(raft, ".", 0)
	if err != nil {
		return source{}, err
	}
	fset := token.NewFileSet()
	texts := map[string]string{}
	var files []*ast.File
	for _, name := range found.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(found.Dir, name), nil, 0)
		if err != nil {
			return source{}, err
		}
		files = append(files, file)
		collectErrors(file, texts)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check(raft, fset, files, nil)
	return source{pkg, texts}, err
}

// collectErrors notes the text of every package-level errors.New.
func collectErrors(file *ast.File, texts map[string]string) {
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, value := range spec.Values {
				call, ok := value.(*ast.CallExpr)
				if !ok || types.ExprString(call.Fun) != "errors.New" {
					continue
				}
				texts[spec.Names[i].Name], _ = strconv.Unquote(types.ExprString(call.Args[0]))
			}
		}
	}
}

// text prints a type or an object as a Go programmer would write it inside the package.
func (s source) text(object types.Object) string {
	return types.ObjectString(object, s.qualify)
}

func (s source) qualify(other *types.Package) string {
	if other == s.Package {
		return ""
	}
	return other.Name()
}

// match pairs the entries of a list with the names that Go has, and reports what is in one only.
func match(where string, entries []*entry, names []string) (problems []string) {
	listed := map[string]bool{}
	for _, e := range entries {
		listed[e.Go] = true
	}
	for _, name := range names {
		if !listed[name] {
			problems = append(problems, fmt.Sprintf("%s %s is not in the list", where, name))
		}
		delete(listed, name)
	}
	for name := range listed {
		problems = append(problems, fmt.Sprintf("%s %s is not in Go", where, name))
	}
	return problems
}

func (s source) fill(list *surface) (problems []string) {
	var functions, constants, errs, named []string
	for _, name := range s.Scope().Names() {
		if !token.IsExported(name) {
			continue
		}
		switch s.Scope().Lookup(name).(type) {
		case *types.Func:
			functions = append(functions, name)
		case *types.Const:
			constants = append(constants, name)
		case *types.Var:
			errs = append(errs, name)
		case *types.TypeName:
			named = append(named, name)
		}
	}
	problems = append(problems, match("function", list.Functions, functions)...)
	problems = append(problems, match("constant", list.Constants, constants)...)
	problems = append(problems, match("error", list.Errors, errs)...)
	problems = append(problems, match("type", list.Types, named)...)
	if len(problems) > 0 {
		return problems
	}
	for _, e := range list.Functions {
		e.Signature = s.text(s.Scope().Lookup(e.Go))
	}
	for _, e := range list.Errors {
		e.Signature = s.text(s.Scope().Lookup(e.Go))
		e.Text = s.errorTexts[e.Go]
	}
	for _, e := range list.Constants {
		object := s.Scope().Lookup(e.Go).(*types.Const)
		value, _ := constant.Int64Val(object.Val())
		e.Signature, e.Value = s.text(object), &value
	}
	for _, e := range list.Types {
		problems = append(problems, s.fillType(e)...)
	}
	return problems
}

func (s source) fillType(e *entry) []string {
	object := s.Scope().Lookup(e.Go).(*types.TypeName)
	e.Kind, e.Embeds = "named", nil
	var methods, fields []string
	objects := map[string]types.Object{}
	named, isNamed := object.Type().(*types.Named)
	if isNamed {
		for i := range named.NumMethods() {
			method := named.Method(i)
			if method.Exported() {
				methods = append(methods, method.Name())
				objects[method.Name()] = method
			}
		}
	}
	switch under := object.Type().Underlying().(type) {
	case *types.Interface:
		e.Kind = "interface"
		for i := range under.NumExplicitMethods() {
			method := under.ExplicitMethod(i)
			methods = append(methods, method.Name())
			objects[method.Name()] = method
		}
		for i := range under.NumEmbeddeds() {
			embedded := under.EmbeddedType(i)
			e.Embeds = append(e.Embeds, types.TypeString(embedded, s.qualify))
		}
	case *types.Struct:
		e.Kind = "struct"
		for i := range under.NumFields() {
			field := under.Field(i)
			if field.Embedded() && field.Exported() {
				e.Embeds = append(e.Embeds, types.TypeString(field.Type(), s.qualify))
			} else if field.Exported() {
				fields = append(fields, field.Name())
				objects[field.Name()] = field
			}
		}
	}
	if e.Kind == "named" {
		e.Signature = s.text(object)
	} else {
		e.Signature = fmt.Sprintf("type %s %s", e.Go, e.Kind)
	}
	for _, member := range append(append([]*entry{}, e.Methods...), e.Fields...) {
		if found := objects[member.Go]; found != nil {
			member.Signature = s.text(found)
		}
	}
	return append(match(e.Go+" method", e.Methods, methods), match(e.Go+" field", e.Fields, fields)...)
}

func run(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var list surface
	decoder := json.NewDecoder(bytes.NewReader(old))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		return err
	}
	raftSource, err := load()
	if err != nil {
		return err
	}
	if problems := raftSource.fill(&list); len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "\n"))
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(list); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: surface api-surface.json")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
