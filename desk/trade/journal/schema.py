"""Tables of the journal, as SQL.

One script per schema version, from an empty file on; ``database`` applies those that a file has not
seen.  A published script is never changed.  Times are milliseconds UTC, money and sizes decimal text.
"""

from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE sessions (
            session INTEGER PRIMARY KEY, began INTEGER NOT NULL, ended INTEGER, mode TEXT NOT NULL,
            settings TEXT NOT NULL, status INTEGER, why TEXT)""",
        """CREATE TABLE models (
            model INTEGER PRIMARY KEY, model_file TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL,
            created INTEGER NOT NULL, long_threshold REAL, short_threshold REAL, horizon INTEGER NOT NULL,
            label_threshold REAL NOT NULL, promised_win_rate REAL, promised_win_rate_labelled REAL,
            promised_net_bps REAL, demoted INTEGER, demoted_why TEXT)""",
        """CREATE TABLE decisions (
            open_time INTEGER NOT NULL, symbol TEXT NOT NULL, model INTEGER NOT NULL REFERENCES models,
            digest TEXT NOT NULL, close REAL NOT NULL, probability REAL NOT NULL, action TEXT NOT NULL,
            reasons TEXT NOT NULL, PRIMARY KEY (symbol, open_time)) WITHOUT ROWID""",
        "CREATE INDEX decisions_by_time ON decisions (open_time)",
        """CREATE TABLE trades (
            trade TEXT PRIMARY KEY, symbol TEXT NOT NULL, side INTEGER NOT NULL, model_file TEXT NOT NULL,
            opened INTEGER NOT NULL, due INTEGER NOT NULL, price TEXT NOT NULL, stop TEXT, take_profit TEXT,
            status TEXT NOT NULL, size TEXT NOT NULL, closed INTEGER, ended TEXT, entry_price TEXT,
            exit_price TEXT, fees TEXT, profit TEXT, gross REAL, net REAL)""",
        "CREATE INDEX trades_by_status ON trades (status)",
        """CREATE TABLE orders (
            client_id TEXT PRIMARY KEY, trade TEXT NOT NULL REFERENCES trades, symbol TEXT NOT NULL,
            side INTEGER NOT NULL, purpose TEXT NOT NULL, size TEXT NOT NULL, stop TEXT, take_profit TEXT,
            written INTEGER NOT NULL, answered INTEGER, status TEXT NOT NULL, order_id TEXT, filled TEXT,
            average_price TEXT, fee TEXT, error TEXT)""",
        "CREATE INDEX orders_by_trade ON orders (trade)",
        "CREATE INDEX orders_by_status ON orders (status)",
        "CREATE INDEX orders_by_time ON orders (written)",
        """CREATE TABLE fills (
            trade_id TEXT NOT NULL, symbol TEXT NOT NULL, trade TEXT, order_id TEXT NOT NULL,
            client_id TEXT NOT NULL, side INTEGER NOT NULL, purpose TEXT NOT NULL, price TEXT NOT NULL,
            size TEXT NOT NULL, fee TEXT NOT NULL, at INTEGER NOT NULL, cause TEXT NOT NULL,
            PRIMARY KEY (symbol, trade_id))""",
        """CREATE TABLE corrections (
            correction INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL,
            why TEXT NOT NULL, outcome TEXT NOT NULL)""",
        """CREATE TABLE equity (
            at INTEGER PRIMARY KEY, equity TEXT NOT NULL, available TEXT NOT NULL)""",
        """CREATE TABLE notes (
            note INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL,
            text TEXT NOT NULL)""",
    ),
    (  # 2: what is asked often stays quick in a journal of years
        "CREATE INDEX trades_by_symbol ON trades (symbol, opened)",
        "CREATE INDEX trades_by_model ON trades (model_file)",
        "CREATE INDEX trades_by_end ON trades (closed)",
        "CREATE INDEX fills_by_trade ON fills (trade)",
        "CREATE INDEX orders_by_number ON orders (order_id)",
    ),
    (  # 3: experiments, and which of the trades are theirs
        """CREATE TABLE experiments (
            experiment INTEGER PRIMARY KEY, began INTEGER NOT NULL, amount TEXT NOT NULL, ended INTEGER,
            why TEXT, result TEXT)""",
        """CREATE TABLE experiment_trades (
            trade TEXT PRIMARY KEY, funding TEXT, priced INTEGER, next_mean REAL, exit_price REAL,
            entry_charged REAL, exit_charged REAL)""",
        "ALTER TABLE trades ADD COLUMN experiment INTEGER",
    ),
)
