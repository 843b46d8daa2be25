package db_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// TestEveryStatementPrepares lets PostgreSQL itself judge every generated statement: sqlc's own parser knows less about
// types than the server does.
func TestEveryStatementPrepares(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	files, err := filepath.Glob("../*/*db/*.sql.go")
	if err != nil || len(files) < 3 {
		t.Fatalf("generated code not found: %v %v", files, err)
	}
	n := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				sql, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Prepare(t.Context(), "", sql); err != nil {
					t.Errorf("%s: %s: %v", name, v.Names[0], err)
				}
				n++
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d statements found", n)
	}
}
