package apachestore;

import java.util.LinkedHashMap;
import java.util.Map;

/** How long opening a directory takes, recovery included, until the store would take its first message. */
final class Open {
    private Open() {
    }

    static void run(Flags flags) throws Exception {
        boolean halt = flags.text("end", "clean").equals("halt");
        double cpuAtBegin = Load.processCpuUs();
        ApacheStore apache = new ApacheStore(flags);
        double cpuUs = Load.processCpuUs() - cpuAtBegin;
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("kind", "open");
        line.put("loadMs", apache.loadMs);
        line.put("startMs", apache.startMs);
        line.put("cpuUs", cpuUs);
        line.put("minPhysicalOffset", apache.store.getMinPhyOffset());
        line.put("appendedUntil", apache.store.getMaxPhyOffset());
        Main.print(line);
        apache.end(halt);
    }
}
