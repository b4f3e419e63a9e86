// A table with headers that sort, pages and check boxes. It shows what the server sends and asks it for the rest.
export default {
  template: `
    <div>
      <div class="table-scroll" tabindex="0" role="region" :aria-label="caption">
        <table class="data" :class="{busy}" :aria-busy="busy">
          <caption>{{ caption }}</caption>
          <thead>
            <tr>
              <th v-if="selectable" class="pick" scope="col"><span class="hidden-visually">Chosen</span></th>
              <th v-for="column in columns" :key="column.key" scope="col" :class="{number: column.numeric}"
                  :aria-sort="!column.sortable ? null : column.key !== sort ? 'none' : descending ? 'descending' : 'ascending'">
                <button v-if="column.sortable" type="button" class="sort" :class="{on: column.key === sort}"
                        :title="column.hint || null" @click="sortBy(column)">{{ column.label }}</button>
                <span v-else :title="column.hint || null">{{ column.label }}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            <tr v-for="row in rows" :key="row.key" :class="[row.look, {chosen: chosen.includes(row.key)}]">
              <td v-if="selectable" class="pick">
                <input type="checkbox" :checked="chosen.includes(row.key)" :aria-label="'Choose ' + row.name"
                       @change="choose(row.key, $event.target.checked)">
              </td>
              <component v-for="(cell, index) in row.cells" :key="index" :is="index === 0 ? 'th' : 'td'"
                         :scope="index === 0 ? 'row' : null" :title="cell.hint || null"
                         :class="[columns[index].numeric ? 'number' : '', cell.look]">
                <a v-if="cell.href" :href="cell.href">{{ cell.text }}</a>
                <span v-else-if="cell.badge" class="badge" :class="cell.badge">{{ cell.text }}</span>
                <span v-else-if="cell.share !== undefined" class="cluster">
                  <span class="bar"><span :style="{width: 100 * cell.share + '%'}"></span></span>{{ cell.text }}
                </span>
                <template v-else>{{ cell.text }}</template>
                <span v-for="tag in cell.tags || []" :key="tag" class="badge tag" style="margin-left: 6px">{{ tag }}</span>
                <div v-if="cell.note" class="muted small clip">{{ cell.note }}</div>
              </component>
            </tr>
            <tr v-if="rows.length === 0">
              <td :colspan="columns.length + (selectable ? 1 : 0)" class="muted" style="padding: 28px 16px; text-align: center">{{ empty }}</td>
            </tr>
          </tbody>
        </table>
      </div>
      <div v-if="total > limit" class="pager">
        <span role="status">{{ range }}</span>
        <div>
          <button type="button" :disabled="offset === 0" @click="ask({offset: 0})" aria-label="First page">First</button>
          <button type="button" :disabled="offset === 0" @click="ask({offset: Math.max(0, offset - limit)})">Previous</button>
          <button type="button" :disabled="offset + limit >= total" @click="ask({offset: offset + limit})">Next</button>
          <button type="button" :disabled="offset + limit >= total" @click="ask({offset: last})" aria-label="Last page">Last</button>
        </div>
      </div>
    </div>`,
  props: {
    caption: String,
    columns: Array,
    rows: Array,
    total: Number,
    offset: Number,
    limit: Number,
    sort: String,
    descending: Boolean,
    busy: Boolean,
    empty: String,
    selectable: Boolean,
    chosen: Array,
  },
  computed: {
    last() {
      return Math.floor((this.total - 1) / this.limit) * this.limit;
    },
    range() {
      const format = (number) => number.toLocaleString("en-US");
      return `${format(this.offset + 1)}–${format(Math.min(this.offset + this.limit, this.total))} of ${format(this.total)}`;
    },
  },
  methods: {
    ask(changes) {
      this.$emit("query", { sort: this.sort, descending: this.descending, offset: this.offset, ...changes });
    },
    sortBy(column) {
      const isSame = column.key === this.sort;
      this.ask({ sort: column.key, descending: isSame ? !this.descending : column.numeric, offset: 0 });
    },
    choose(key, isChosen) {
      const others = this.chosen.filter((other) => other !== key);
      this.$emit("choose", { chosen: isChosen ? [...others, key] : others });
    },
  },
};
