"""Whether a store is in the state in which its member left it.

A member counts its transactions, and each of them writes the count to the member's row of `members`. Where
the row is gone, or its count is lower than that of the last transaction that was committed, the store is
older than that: a backup was restored, or a standby was promoted that had not received everything.

I/O: database, on connections that the store hands out.
"""

from sqlalchemy import Connection

from consumers.runtime.stores import statements
from consumers.runtime.stores.database import Database
from databases.address import StoreAddress
from databases.pooler import lent_session
from schemas.errors import RevertedStore


class WriteMark:
    """One member's count of its transactions.

    Args:
        name: the store.
        database: where it is; every transaction must be one of the session that has the member's slot.
        token: of the member's row.
    """

    def __init__(self, name: StoreAddress, database: Database, token: str) -> None:
        self._name = name
        self._database = database
        self._token = token
        self._session = database.session
        self._committed = 0
        self._begun = 0

    def write(self, connection: Connection) -> None:
        """Count a transaction that has begun; `committed` is to follow its commit.

        One whose commit failed may have been committed all the same, so any count from the last sure one on
        will do.

        Raises:
            RevertedStore: the store is older than the last transaction.
            SafetyRefusal: a connection pool gave this transaction another session.
        """
        self._begun += 1
        values = (self._begun, self._token, self._committed, self._database.session)
        statement = self._database.sql(statements.MARK)
        if connection.exec_driver_sql(statement, values).rowcount != 1:
            self._refuse(connection)
        self._session = self._database.session

    def committed(self) -> None:
        """The transaction that was counted last is committed."""
        self._committed = self._begun

    def check_session(self, connection: Connection) -> None:
        """Before a new session reads: make sure that the store is not older.

        Raises:
            RevertedStore: it is.
        """
        if self._database.session != self._session:
            self.check(connection)
            self._session = self._database.session

    def check(self, connection: Connection) -> None:
        """Make sure that the store is not older; raises RevertedStore if it is."""
        if self._writes(connection) < self._committed:
            self._refuse(connection)

    def _writes(self, connection: Connection) -> int:
        """The count in the store; -1 without a row."""
        row = connection.exec_driver_sql(self._database.sql(statements.WRITES), (self._token,)).first()
        return -1 if row is None else int(row[0])

    def _refuse(self, connection: Connection) -> None:
        writes = self._writes(connection)
        if writes >= self._committed:
            raise lent_session(f"a member's slot in {self._name} is a lock of its session")
        lost = "all" if writes < 0 else f"{self._committed - writes:,}"
        raise RevertedStore(
            f"the store {self._name} is in an older state than this member left it in: {lost} of its "
            f"{self._committed:,} writes are gone, as after a restored backup or where a standby that lagged "
            "took over; bring the newer state back, or start the member again: it begins only where the "
            "group has committed nothing that the store does not know"
        )
