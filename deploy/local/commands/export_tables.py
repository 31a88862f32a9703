"""`attain export tables`: every table of the read models as files for a warehouse."""

import io
from collections.abc import Iterator
from pathlib import Path

import click
import httpx

from deploy.local.client.asking import patiently, told
from deploy.local.client.progress import Progress
from deploy.local.errors import StackError
from deploy.local.files.writing import whole
from deploy.local.options import Context, command_options

PAGE_ROWS = 10_000


@click.command("tables")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--format", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True,
              help="Parquet needs the extra `parquet` here and where reporting runs.")  # fmt: skip
@click.option("--table", "only", multiple=True, help="One table; may be given again. Otherwise all.")
@command_options
def export_tables(context: Context, folder: Path, format: str, only: tuple[str, ...]) -> None:
    """Write every table of the tenant's read models to FOLDER, a file each; learners are opaque ids."""
    rows: dict[str, int] = {}
    progress = Progress()
    with context.client("reporting") as client:
        known = told(patiently(client.get, "/v1/exports")).json()["tables"]
        if unknown := set(only) - set(known):
            raise click.UsageError(f"no table {sorted(unknown)[0]!r}; there are {', '.join(known)}")
        folder.mkdir(parents=True, exist_ok=True)
        for table in only or known:
            pages = _pages(client, table, format)
            write = _write_csv if format == "csv" else _write_parquet
            with whole(folder / f"{table}.{format}") as part:
                rows[table] = write(pages, part)
            progress.show(f"{table}: {rows[table]:,} rows")
    progress.clear()
    if not only and not any(rows.values()):
        raise StackError(f"tenant {context.tenant} has nothing in any table; --tenant says which is meant")
    lines = [f"{folder / f'{table}.{format}'}  {count:,} rows" for table, count in rows.items()]
    context.emit({"folder": str(folder), "format": format, "rows": rows}, "\n".join(lines))


def _pages(client: httpx.Client, table: str, format: str) -> Iterator[httpx.Response]:
    after = ""
    while True:
        query = {"format": format, "limit": str(PAGE_ROWS), "after": after}
        answer = told(patiently(client.get, f"/v1/exports/{table}", params=query))
        yield answer
        after = answer.headers.get("Attain-Next", "")
        if not after:
            return


def _write_csv(pages: Iterator[httpx.Response], file: Path) -> int:
    """Write pages under the head of the first; return the rows."""
    count = 0
    with file.open("w", encoding="utf-8", newline="") as target:
        for number, page in enumerate(pages):
            head, _, rest = page.text.partition("\r\n")
            if number == 0:
                target.write(f"{head}\r\n")
            target.write(rest)
            count += int(page.headers["Attain-Rows"])
    return count


def _write_parquet(pages: Iterator[httpx.Response], file: Path) -> int:
    """Write pages as the row groups of one file; return the rows."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise StackError("Parquet needs the extra `parquet` (pyarrow), which is not installed") from None
    count, writer = 0, None
    try:
        for page in pages:
            part = parquet.read_table(io.BytesIO(page.content))
            writer = writer or parquet.ParquetWriter(file, part.schema, compression="zstd")
            writer.write_table(part)
            count += part.num_rows
    finally:
        if writer is not None:
            writer.close()
    return count
