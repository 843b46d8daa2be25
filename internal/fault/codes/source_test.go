package codes_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const module = "turkey"

// source is the program as far as it says which faults a function can return: who mentions whom, and who makes which fault.
type source struct {
	fset     *token.FileSet
	packages map[string]*checked
	mentions map[string][]string        // functions and package variables, by full name
	makes    map[string][]string        // "Kind code" of the faults made there
	methods  map[string][]*types.Func   // concrete methods of the module, by name
	handlers map[string]map[string]bool // operation id -> what its registration mentions
}

type checked struct {
	files []*ast.File
	info  *types.Info
	types *types.Package
}

type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// readSource type-checks the module's own packages, dependencies first; all others come as export data from the build cache.
func readSource() (*source, error) {
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles", "./internal/cli")
	cmd.Dir = "../../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	var all []listed
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, module+"/internal/") {
			all = append(all, p)
		}
	}
	s := &source{fset: token.NewFileSet(), packages: map[string]*checked{}, mentions: map[string][]string{}, makes: map[string][]string{},
		methods: map[string][]*types.Func{}, handlers: map[string]map[string]bool{}}
	foreign := importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	from := importers(func(path string) (*types.Package, error) {
		if p := s.packages[path]; p != nil {
			return p.types, nil
		}
		return foreign.Import(path)
	})
	for _, p := range all {
		if err := s.check(p, from); err != nil {
			return nil, fmt.Errorf("%s: %w", p.ImportPath, err)
		}
	}
	for _, p := range s.packages {
		s.collectMethods(p)
	}
	for _, p := range s.packages {
		for _, f := range p.files {
			s.collect(p, f)
		}
	}
	return s, nil
}

type importers func(string) (*types.Package, error)

// Import is for types.Config.
func (f importers) Import(path string) (*types.Package, error) { return f(path) }

func (s *source) check(p listed, from types.Importer) error {
	c := &checked{info: &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}}
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(s.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		c.files = append(c.files, f)
	}
	var err error
	c.types, err = (&types.Config{Importer: from}).Check(p.ImportPath, s.fset, c.files, c.info)
	s.packages[p.ImportPath] = c
	return err
}

func (s *source) collectMethods(p *checked) {
	for _, name := range p.types.Scope().Names() {
		t, ok := p.types.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		if named, ok := t.Type().(*types.Named); ok && !types.IsInterface(named) {
			for m := range named.Methods() {
				s.methods[m.Name()] = append(s.methods[m.Name()], m)
			}
		}
	}
}

// collect reads a file: each function and each package variable with what it mentions.
func (s *source) collect(p *checked, f *ast.File) {
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Body != nil {
				owner := p.info.Defs[d.Name].(*types.Func).FullName()
				s.read(p, d.Body, func(name string) { s.mentions[owner] = append(s.mentions[owner], name) },
					func(what string) { s.makes[owner] = append(s.makes[owner], what) })
				s.registrations(p, d.Body)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, name := range v.Names {
					if len(v.Values) == 0 {
						continue
					}
					owner := p.types.Path() + "." + name.Name
					s.read(p, v.Values[min(i, len(v.Values)-1)], func(name string) { s.mentions[owner] = append(s.mentions[owner], name) },
						func(what string) { s.makes[owner] = append(s.makes[owner], what) })
				}
			}
		}
	}
}

// read tells what a piece of code mentions and which faults it makes. What is only compared with errors.Is is not returned.
func (s *source) read(p *checked, node ast.Node, mention, made func(string)) {
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch name := calledName(p, n); name {
			case "errors.Is":
				s.read(p, n.Args[0], mention, made)
				return false
			case module + "/internal/fault.New":
				made(s.kindAndCode(p, n.Args[0], n.Args[1]))
			}
		case *ast.CompositeLit:
			if t := p.info.Types[n].Type; t != nil && t.String() == module+"/internal/fault.Error" {
				kind, code := "Internal", ""
				for _, e := range n.Elts {
					kv := e.(*ast.KeyValueExpr)
					switch kv.Key.(*ast.Ident).Name {
					case "Kind":
						kind = kindName(kv.Value)
					case "Code":
						code = s.text(p, kv.Value)
					}
				}
				made(kind + " " + code)
			}
		case *ast.Ident:
			switch o := p.info.Uses[n].(type) {
			case *types.Func:
				for _, name := range s.meant(o) {
					mention(name)
				}
			case *types.Var:
				if o.Pkg() != nil && o.Parent() == o.Pkg().Scope() {
					mention(o.Pkg().Path() + "." + o.Name())
				}
			}
		}
		return true
	})
}

// meant is a function itself, or what may stand behind a method of one of the module's interfaces.
func (s *source) meant(f *types.Func) []string {
	recv := f.Signature().Recv()
	if recv == nil || !types.IsInterface(recv.Type()) {
		return []string{f.Origin().FullName()}
	}
	if f.Pkg() == nil || !strings.HasPrefix(f.Pkg().Path(), module+"/") {
		return nil
	}
	of, _ := recv.Type().Underlying().(*types.Interface)
	var names []string
	for _, m := range s.methods[f.Name()] {
		t := m.Signature().Recv().Type()
		if types.Implements(t, of) || types.Implements(types.NewPointer(t), of) {
			names = append(names, m.FullName())
		}
	}
	return names
}

func calledName(p *checked, c *ast.CallExpr) string {
	fun := ast.Unparen(c.Fun)
	switch f := fun.(type) {
	case *ast.IndexExpr:
		fun = f.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if f, ok := p.info.Uses[sel.Sel].(*types.Func); ok {
		return f.FullName()
	}
	return ""
}

func kindName(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		return sel.Sel.Name
	}
	return unread
}

// unread stands for a kind or code that no literal spells.
const unread = "?"

// word is the form of operation ids. Other words that stand in a registration are no id of the document, and do no harm.
var word = regexp.MustCompile(`^[a-z][A-Za-z0-9-]+$`)

func (s *source) kindAndCode(p *checked, kind, code ast.Expr) string {
	return kindName(kind) + " " + s.text(p, code)
}

func (s *source) text(p *checked, e ast.Expr) string {
	if v := p.info.Types[e].Value; v != nil && v.Kind() == constant.String {
		return constant.StringVal(v)
	}
	return unread
}

// registrations finds huma.Register(api, operation, handler): what stands in the last two, and in local variables that they name.
func (s *source) registrations(p *checked, body *ast.BlockStmt) {
	locals := map[types.Object][]ast.Expr{}
	ast.Inspect(body, func(n ast.Node) bool {
		if r, ok := n.(*ast.RangeStmt); ok {
			if id, ok := r.Value.(*ast.Ident); ok {
				locals[p.info.Defs[id]] = append(locals[p.info.Defs[id]], r.X)
			}
		}
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, l := range a.Lhs {
				id, ok := l.(*ast.Ident)
				if sel, is := l.(*ast.SelectorExpr); is {
					id, ok = sel.X.(*ast.Ident)
				}
				if !ok {
					continue
				}
				o := p.info.Defs[id]
				if o == nil {
					o = p.info.Uses[id]
				}
				if o != nil {
					locals[o] = append(locals[o], a.Rhs[i])
				}
			}
		}
		return true
	})
	ast.Inspect(body, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok || calledName(p, c) != "github.com/danielgtaylor/huma/v2.Register" {
			return true
		}
		var ids []string
		found := map[string]bool{}
		seen := map[types.Object]bool{}
		var visit func(e ast.Node)
		visit = func(e ast.Node) {
			s.read(p, e, func(name string) { found[name] = true }, func(what string) { found["!"+what] = true })
			ast.Inspect(e, func(n ast.Node) bool {
				if x, ok := n.(ast.Expr); ok {
					if v := p.info.Types[x].Value; v != nil && v.Kind() == constant.String && word.MatchString(constant.StringVal(v)) {
						ids = append(ids, constant.StringVal(v))
					}
				}
				if id, ok := n.(*ast.Ident); ok {
					if o := p.info.Uses[id]; o != nil && !seen[o] {
						seen[o] = true
						for _, e := range locals[o] {
							visit(e)
						}
					}
				}
				return true
			})
		}
		visit(c.Args[1])
		visit(c.Args[2])
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			if s.handlers[id] == nil {
				s.handlers[id] = map[string]bool{}
			}
			maps.Copy(s.handlers[id], found)
		}
		return true
	})
}

// of lists the faults that an operation can come to, each as "Kind code"; before names what runs ahead of its handler.
func (s *source) of(id string, before ...string) []string {
	found := map[string]bool{}
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if made, ok := strings.CutPrefix(name, "!"); ok {
			found[made] = true
			return
		}
		if seen[name] {
			return
		}
		seen[name] = true
		for _, m := range s.makes[name] {
			found[m] = true
		}
		for _, m := range s.mentions[name] {
			visit(m)
		}
	}
	seen[module+"/internal/fault.New"] = true
	for name := range s.handlers[id] {
		visit(name)
	}
	for _, name := range before {
		visit(name)
	}
	return slices.Sorted(maps.Keys(found))
}

// made lists every fault that is made anywhere.
func (s *source) made() map[string]bool {
	all := map[string]bool{}
	for _, faults := range s.makes {
		for _, f := range faults {
			all[f] = true
		}
	}
	return all
}
