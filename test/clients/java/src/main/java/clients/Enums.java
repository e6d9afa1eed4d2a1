package clients;

import java.lang.reflect.Method;

/** Enums that moved to another package between the two releases: set by the name of the constant. */
final class Enums {
    static void set(Object target, String setter, String constant) throws ReflectiveOperationException {
        for (Method method : target.getClass().getMethods()) {
            if (method.getName().equals(setter) && method.getParameterCount() == 1) {
                for (Object value : method.getParameterTypes()[0].getEnumConstants()) {
                    if (((Enum<?>) value).name().equals(constant)) {
                        method.invoke(target, value);
                        return;
                    }
                }
            }
        }
        throw new NoSuchMethodException(setter + " with " + constant);
    }
}
