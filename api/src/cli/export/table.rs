//! The columns of each kind of file, and how a row of an answer becomes values of them.
//!
//! Names are those of the API. An amount or a price is DECIMAL(38, 4), 16 bytes big-endian: what the ledger has, exactly.

use std::io::Write;
use std::sync::Arc;

use orderledger_domain::decimal::parse_units;
use orderledger_domain::timestamp::Timestamp;
use parquet::basic::{ConvertedType, DecimalType, LogicalType, Repetition, TimeUnit, TimestampType, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;

/// Bytes of a decimal.
const DECIMAL_BYTES: i32 = 16;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Text,
    Whole,
    Decimal,
    Time,
    Flag,
}

/// A kind of file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Name, content, whether it may be null.
    columns: &'static [(&'static str, Holds, bool)],
}

use Holds::{Decimal, Flag, Text, Time, Whole};

/// All kinds.
pub(super) const KINDS: &[Table] = &[
    Table {
        name: "trades",
        columns: &[
            ("tradeId", Text, false),
            ("symbol", Text, false),
            ("price", Decimal, false),
            ("quantity", Whole, false),
            ("takerSide", Text, false),
            ("bookSeq", Whole, false),
            ("time", Time, false),
            ("position", Text, false),
        ],
    },
    Table {
        name: "orders",
        columns: &[
            ("orderId", Text, false),
            ("userId", Text, false),
            ("symbol", Text, false),
            ("side", Text, false),
            ("orderType", Text, false),
            ("timeInForce", Text, false),
            ("postOnly", Flag, false),
            ("status", Text, false),
            ("quantity", Whole, false),
            ("cumQuantity", Whole, false),
            ("leavesQuantity", Whole, false),
            ("price", Decimal, true),
            ("maxCost", Decimal, true),
            ("avgPrice", Decimal, true),
            ("fees", Decimal, false),
            ("reason", Text, true),
            ("clientOrderId", Text, true),
            ("createdAt", Time, false),
            ("updatedAt", Time, false),
            ("position", Text, false),
        ],
    },
    Table {
        name: "postings",
        columns: &[
            ("account", Text, false),
            ("asset", Text, false),
            ("debit", Decimal, false),
            ("credit", Decimal, false),
            ("reason", Text, false),
            ("tradeId", Text, true),
            ("orderId", Text, true),
            ("total", Decimal, false),
            ("available", Decimal, false),
            ("reserved", Decimal, false),
            ("time", Time, false),
            ("position", Text, false),
        ],
    },
];

impl Table {
    /// The schema of its files.
    pub(super) fn schema(&self) -> Result<TypePtr, ParquetError> {
        let fields = self.columns.iter().map(|(name, holds, is_null)| Ok(Arc::new(column(name, *holds, *is_null)?)));
        let fields = fields.collect::<Result<Vec<_>, ParquetError>>()?;
        Ok(Arc::new(Type::group_type_builder(self.name).with_fields(fields).build()?))
    }

    /// Whether a row says what will always be said: an order that is open changes.
    pub(super) fn is_final(&self, row: &Value) -> bool {
        let is_open = |status: &str| ["pending_new", "new", "partially_filled"].contains(&status);
        self.name != "orders" || !row.get("status").and_then(Value::as_str).is_some_and(is_open)
    }
}

fn column(name: &str, holds: Holds, is_null: bool) -> Result<Type, ParquetError> {
    let physical = match holds {
        Text => Physical::BYTE_ARRAY,
        Whole | Time => Physical::INT64,
        Decimal => Physical::FIXED_LEN_BYTE_ARRAY,
        Flag => Physical::BOOLEAN,
    };
    let column = Type::primitive_type_builder(name, physical);
    let column = column.with_repetition(if is_null { Repetition::OPTIONAL } else { Repetition::REQUIRED });
    match holds {
        Text => column.with_logical_type(Some(LogicalType::String)),
        Decimal => column
            .with_logical_type(Some(LogicalType::Decimal(DecimalType { scale: 4, precision: 38 })))
            .with_converted_type(ConvertedType::DECIMAL)
            .with_length(DECIMAL_BYTES)
            .with_precision(38)
            .with_scale(4),
        Time => column.with_logical_type(Some(LogicalType::Timestamp(TimestampType {
            is_adjusted_to_u_t_c: true,
            unit: TimeUnit::MICROS,
        }))),
        Whole | Flag => column,
    }
    .build()
}

/// The values of a column, and for one that may be null which rows have one.
enum Values {
    Texts(Vec<ByteArray>),
    Wholes(Vec<i64>),
    Decimals(Vec<FixedLenByteArray>),
    Flags(Vec<bool>),
}

struct Column {
    values: Values,
    /// 1 where there is a value; none where there always is.
    levels: Option<Vec<i16>>,
}

/// Rows that are not written yet, column by column.
pub(super) struct Columns {
    table: &'static [(&'static str, Holds, bool)],
    columns: Vec<Column>,
    rows: usize,
}

impl Columns {
    pub(super) fn of(table: &Table) -> Columns {
        Columns { table: table.columns, columns: table.columns.iter().map(Column::of).collect(), rows: 0 }
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row, or says what of it can't be one.
    pub(super) fn add(&mut self, row: &Value) -> Result<(), String> {
        for ((name, holds, _), column) in self.table.iter().zip(&mut self.columns) {
            let value = row.get(name).filter(|value| !value.is_null());
            column.add(*holds, value).ok_or_else(|| {
                format!("the server says {name} is {}, which this program doesn't take: use one of its version", {
                    row.get(name).map_or("absent".to_owned(), Value::to_string)
                })
            })?;
        }
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }

    /// Writes all of them as a row group, and is empty again.
    pub(super) fn write<W: Write + Send>(&mut self, to: &mut SerializedFileWriter<W>) -> Result<(), ParquetError> {
        let mut group = to.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            let levels = column.levels.as_deref();
            match &column.values {
                Values::Texts(values) => writer.typed::<ByteArrayType>().write_batch(values, levels, None)?,
                Values::Wholes(values) => writer.typed::<Int64Type>().write_batch(values, levels, None)?,
                Values::Decimals(values) => {
                    writer.typed::<FixedLenByteArrayType>().write_batch(values, levels, None)?
                }
                Values::Flags(values) => writer.typed::<BoolType>().write_batch(values, levels, None)?,
            };
            writer.close()?;
        }
        group.close()?;
        self.columns = self.table.iter().map(Column::of).collect();
        self.rows = 0;
        Ok(())
    }
}

impl Column {
    fn of((_, holds, is_null): &(&str, Holds, bool)) -> Column {
        let values = match holds {
            Text => Values::Texts(Vec::new()),
            Whole | Time => Values::Wholes(Vec::new()),
            Decimal => Values::Decimals(Vec::new()),
            Flag => Values::Flags(Vec::new()),
        };
        Column { values, levels: is_null.then(Vec::new) }
    }

    /// None if it is no such value.
    fn add(&mut self, holds: Holds, value: Option<&Value>) -> Option<()> {
        let Some(value) = value else {
            self.levels.as_mut()?.push(0);
            return Some(());
        };
        match &mut self.values {
            Values::Texts(values) => values.push(ByteArray::from(value.as_str()?)),
            Values::Wholes(values) if holds == Time => values.push(Timestamp::parse(value.as_str()?)?.micros()),
            Values::Wholes(values) => values.push(value.as_i64()?),
            Values::Decimals(values) => {
                let bytes = units(value.as_str()?)?.to_be_bytes().to_vec();
                values.push(FixedLenByteArray::from(ByteArray::from(bytes)));
            }
            Values::Flags(values) => values.push(value.as_bool()?),
        }
        if let Some(levels) = &mut self.levels {
            levels.push(1);
        }
        Some(())
    }
}

/// The 1/10000 of a decimal, perhaps below zero.
fn units(text: &str) -> Option<i128> {
    match text.strip_prefix('-') {
        Some(magnitude) => parse_units(magnitude).ok()?.checked_neg(),
        None => parse_units(text).ok(),
    }
}
