export { CSV_COLUMNS, escapeCell, exportCsv, unescapeCell } from './csv.ts'
